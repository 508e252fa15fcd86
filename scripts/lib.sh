# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# Shell functions that the scripts of this folder and of lab/ share: where things lie, how progress is told,
# how packages are had. Source it; it sets 'set -euo pipefail' and changes nothing else.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What is downloaded or can be made again lies here, outside the tree, so that a fresh clone finds it.
CACHE=${VHOST_TIER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vhost-tier}
BUILD=${VHOST_TIER_BUILD:-$TOP/build}

# One version, or 'series' of versions, of everything that is fetched is chosen here and nowhere else.
QEMU_SUITE=trixie                    # 10.0.x
MESON_SUITE=bookworm-backports       # QEMU needs a newer meson than Debian 12 has
KERNEL_SUITE_new=trixie-backports    # the newest Debian kernel: DAMON and RWP
KERNEL_SUITE_lts=trixie              # 6.12: DAMON and WP_ASYNC, no RWP
KERNEL_SUITE_old=bookworm            # 6.1: the guest's driver is built for it, too
LIBVIRT_SUITE=trixie                 # 11.3; Debian 12 has 9.0

say()  { printf '%s\n' "$*" >&2; }
die()  { printf '%s: error: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# step WHAT COMMAND...: run a command whose output goes to a log, telling every few seconds how long it has taken
# and the last line that it wrote; on failure show the log's end and fail. Where ninja is at work, its '[n/m]' is in
# that line.
step() {
    local what=$1 log start pid rc=0 last tick=0
    shift
    mkdir -p "$BUILD/logs"
    log=$BUILD/logs/$(printf '%s' "$what" | tr -c 'a-zA-Z0-9.\n' '-').log
    start=$SECONDS
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    # shellcheck disable=SC2064
    trap "kill $pid 2>/dev/null || true" INT TERM
    while kill -0 "$pid" 2>/dev/null; do
        sleep 1
        tick=$((tick + 1))
        if [ -t 2 ] || [ $((tick % 20)) -eq 0 ]; then
            last=$(tail -c 300 "$log" | tr '\r' '\n' | grep -a . | tail -n 1 | cut -c 1-70 || true)
            if [ -t 2 ]; then
                printf '\r\033[K%s ... %ds  %s' "$what" $((SECONDS - start)) "$last" >&2
            else
                say "$what ... $((SECONDS - start)) s  $last"
            fi
        fi
    done
    wait "$pid" || rc=$?
    trap - INT TERM
    [ -t 2 ] && printf '\r\033[K' >&2
    if [ "$rc" -ne 0 ]; then
        say "$what: FAILED after $((SECONDS - start)) s (exit code $rc); the end of $log:"
        tail -n 30 "$log" >&2
        return "$rc"
    fi
    say "$what: done in $((SECONDS - start)) s"
}

# need_packages PACKAGE...: install those that are missing.
need_packages() {
    local missing=() p root=()
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null ||
        die "these packages are needed, and there is no apt-get to install them: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            die "these packages are missing: ${missing[*]}; install them as root, then run this again"
        root=(sudo)
    fi
    step 'package lists' "${root[@]}" apt-get update
    step "packages: ${#missing[@]} to install" \
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

# use_ccache: have compilers found through ccache, whose store lies outside the tree and serves any clone's path.
use_ccache() {
    export CCACHE_DIR=$CACHE/ccache CCACHE_BASEDIR=$TOP CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=1G
    export CCACHE_SLOPPINESS=time_macros
    case :$PATH: in *:/usr/lib/ccache:*) ;; *) export PATH=/usr/lib/ccache:$PATH ;; esac
}

# What building the project takes.
BUILD_PACKAGES=(gcc meson ninja-build ccache pkgconf gcc-multilib python3 xz-utils
                libglib2.0-dev libjson-glib-dev libnuma-dev libcap-ng-dev libseccomp-dev libcairo2-dev
                libvirt-dev libxml2-dev)

# build_in NAME [MESON OPTION...]: configure and compile the project in build/NAME, with libvhost-user from QEMU's
# source.
build_in() {
    local dir=$BUILD/$1 qemu
    shift
    if ! grep -qs libvhost-user.c "$dir/build.ninja"; then
        qemu=$("$TOP/scripts/fetch" qemu) || return
        set -- "$@" -Dlibvhost-user="$qemu/subprojects/libvhost-user"
        [ ! -f "$dir/build.ninja" ] || set -- "$@" --reconfigure
        step "configure $(basename "$dir")" meson setup "$dir" "$TOP" "$@" || return
    fi
    step "build $(basename "$dir")" env NINJA_STATUS='[%f/%t] ' ninja -C "$dir"
}

# kernel_elf FOLDER: the kernel of an unpacked package as ELF, which QEMU boots without firmware; unpacked once. Prints
# the file.
kernel_elf() {
    local image elf
    image=$(find "$1/boot" "$1/usr/lib/modules" -name 'vmlinuz*' 2>/dev/null | head -n 1)
    [ -n "$image" ] || die "$1 holds no kernel image"
    elf=$CACHE/lab/vmlinux-${1##*/kernel-}
    mkdir -p "$CACHE/lab"
    [ -f "$elf" ] || "$TOP/lab/extract-vmlinux" "$image" "$elf" || die "$image could not be unpacked"
    printf '%s\n' "$elf"
}
