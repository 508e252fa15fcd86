# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# 'meson install' puts everything in its place, and 'ninja uninstall' takes it all away.

. "$(dirname "$0")/bed.sh"

everything_is_in_its_place() {
    local file
    while read -r file; do
        [ -e "$INSTALLED$file" ] || { echo "missing: $file"; find "$INSTALLED" -type f; return 1; }
    done <<'FILES'
/etc/libvirt/hooks/qemu.d/vhost-tier
/etc/libvirt/hooks/vhost-tier/libvirt-hook
/etc/apparmor.d/abstractions/vhost-tier-qemu
/usr/local/bin/virt-tier
/usr/local/bin/tierctl
/usr/local/sbin/vhost-tier
/usr/local/lib/systemd/system/vhost-tier.service
/usr/local/share/doc/vhost-tier/selinux.md
/usr/local/share/man/man1/virt-tier.1
/usr/local/share/man/man8/vhost-tier.8
/usr/local/share/bash-completion/completions/virt-tier
/usr/local/share/vhost-tier/tier.rng
FILES
    [ -x "$INSTALLED/etc/libvirt/hooks/qemu.d/vhost-tier" ]
}

uninstalling_leaves_nothing() {
    DESTDIR=$BED/again meson install -C "$BUILDDIR" --no-rebuild
    # Meson notes what it installed with DESTDIR's folder before it.
    ninja -C "$BUILDDIR" uninstall
    [ -z "$(find "$BED/again" -mindepth 1 ! -type d)" ] || { find "$BED/again" ! -type d; return 1; }
    [ ! -d "$BED/again/etc/libvirt" ] && [ ! -d "$BED/again/usr/local/share/vhost-tier" ]
}

places_can_be_chosen() {
    meson setup "$BED/build" "$HERE/../.." --prefix=/usr --sysconfdir=/etc -Dlibvirt-hooks-dir=/srv/hooks -Dapparmor-dir=/srv/apparmor
    meson introspect --installed "$BED/build" >"$BED/installed.json"
    says '/srv/hooks/qemu.d/vhost-tier' "$(cat "$BED/installed.json")"
    says '/srv/apparmor/abstractions/vhost-tier-qemu' "$(cat "$BED/installed.json")"
    case $(cat "$BED/installed.json") in */usr/local* | *'"/etc/libvirt'*) return 1 ;; esac
}

it 'everything is in its place' everything_is_in_its_place
it 'uninstalling leaves nothing' uninstalling_leaves_nothing
it 'places can be chosen' places_can_be_chosen
told
