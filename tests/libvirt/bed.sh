# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The bed of the libvirt tests, and how tests are told. Source it in the namespaces that 'run' makes: whatever it starts
# ends with them. Needs BED (an empty folder that anybody can enter), INSTALLED (the project as installed), QEMU (the
# folder of our emulator), WORKLOAD (the guest).

set -euo pipefail
export LC_ALL=C.UTF-8

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BED INSTALLED QEMU WORKLOAD
declare -A HOST_PID=()

# --- hosts ---

# host_start NAME: a host with its libvirtd: the machine's, or the one in the folder LIBVIRT_ROOT.
host_start() {
    local name=$1 number=$((${#HOST_PID[@]} + 1))
    unshare -m -u "$HERE/host.sh" "$name" "$number$number$number$number$number$number$number$number-2222-3333-4444-555555555555" "${LIBVIRT_ROOT-}" \
        >"$BED/$name.log" 2>&1 &
    HOST_PID[$name]=$!
    await "host $name" test -e "$BED/$name/ready"
    libvirtd_start "$name"
}

# on HOST COMMAND...: run it there.
on() {
    local pid=${HOST_PID[$1]}
    shift
    nsenter -t "$pid" -m -u -r -w -- "$@"
}

# A copy of libvirtd, as the machine's AppArmor knows the original by its path and would let it start no emulator of ours.
libvirtd_start() {
    on "$1" cp /usr/sbin/libvirtd /run/libvirtd
    on "$1" /run/libvirtd -d -p /run/libvirtd.pid
    await "libvirtd of $1" on "$1" virsh -q list
}

# libvirtd_restart HOST: guests run on.
libvirtd_restart() {
    local pid
    pid=$(on "$1" cat /run/libvirtd.pid)
    kill "$pid"
    await "the end of libvirtd of $1" gone "$pid"
    libvirtd_start "$1"
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# daemon_start HOST: vhost-tier, with sources that leave the machine's DAMON alone.
daemon_start() {
    printf '[host]\nepoch-ms=100\n[sources]\nenable=wp\n' >"$BED/$1/vhost-tier.conf"
    on "$1" vhost-tier --config "$BED/$1/vhost-tier.conf" --log-level info >>"$BED/$1/log/vhost-tier.log" 2>&1 &
    echo $! >"$BED/$1/vhost-tier.pid"
    await "vhost-tier of $1" on "$1" tierctl list
}

# The process of the daemon itself: 'on' runs it as a child.
daemon_pid() { pgrep -P "$(cat "$BED/$1/vhost-tier.pid")"; }

# daemon_stop HOST [SIGNAL]
daemon_stop() {
    local pid
    pid=$(daemon_pid "$1")
    kill "-${2-TERM}" "$pid"
    await "the end of vhost-tier of $1" gone "$pid"
}

# --- waiting ---

# await WHAT COMMAND...: until it succeeds, at most 60 s: the machine may have much else to do.
await() {
    local what=$1 until=$((SECONDS + 60))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $until ]; then
            echo "waited 60 s for $what: $*" >&2
            return 1
        fi
        sleep 0.05
    done
}

# --- domains ---

# domain NAME [ELEMENTS]: the XML of an ordinary domain, with further elements in it.
domain() {
    cat <<XML
<domain type='qemu'>
  <name>$1</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/run/workload.elf</kernel>
    <cmdline>${WORK-pattern=gups-hot mb=28}</cmdline>
  </os>
  <features><acpi/></features>
  ${2-}
  <devices>
    <emulator>${EMULATOR-/run/qemu/bin/qemu-system-x86_64}</emulator>
    <controller type='usb' model='none'/>
    <serial type='null'/>
    <memballoon model='none'/>
    <video><model type='none'/></video>
  </devices>
</domain>
XML
}

# define HOST NAME [ELEMENTS]
define() {
    domain "$2" "${3-}" >"$BED/$1/$2.xml"
    on "$1" virsh -q define "$BED/$1/$2.xml"
}

# tiered HOST NAME [OPTION...]: one that is enabled with these options of virt-tier's.
tiered() {
    local host=$1 name=$2
    shift 2
    define "$host" "$name"
    on "$host" virt-tier enable "$name" "$@"
}

# undefine HOST NAME: whatever state it is in.
undefine() {
    on "$1" virsh -q destroy "$2" >/dev/null 2>&1 || true
    on "$1" virsh -q undefine --managed-save "$2" >/dev/null 2>&1 || true
}

# migrate FROM TO NAME: live, as 'virsh migrate --p2p' does it. Both libvirtds and both QEMUs are reached by way of files.
migrate() {
    mkdir -p -m 1777 "$BED/way"
    on "$1" virsh -q migrate "$3" "qemu+unix:///system?socket=/proc/${HOST_PID[$2]}/root/run/libvirt/libvirt-sock" \
        --migrateuri "unix:$BED/way/$3" --live --p2p --persistent --undefinesource
}

# plain_emulator HOST PATH: from now on the emulator at PATH is one that knows no tiered memory: ours, where it isn't asked
# for that.
plain_emulator() {
    mkdir -p "$BED/plain"
    cp "$QEMU/bin/qemu-system-x86_64" "$BED/plain/real"
    cat >"$BED/plain/emulator" <<SCRIPT
#!/bin/sh
case "\$*" in
    *memory-backend-tier*) echo 'no such type: memory-backend-tier' >&2; exit 1 ;;
    *) exec $BED/plain/real -L /run/qemu/share/qemu-firmware "\$@" ;;
esac
SCRIPT
    chmod 755 "$BED/plain/emulator"
    on "$1" mount --bind "$BED/plain/emulator" "$2"
}

# qmp HOST NAME COMMAND [ARGUMENTS]: what QEMU answers.
qmp() { on "$1" virsh -q qemu-monitor-command --pretty "$2" "{\"execute\":\"$3\"${4:+,\"arguments\":$4}}"; }

# vm HOST NAME [FIELD]: what the daemon tells of it.
vm() {
    local shown
    shown=$(on "$1" tierctl show --json "$2") || return
    /usr/bin/python3 -c "import json, sys; v = json.load(sys.stdin); print(${3:-v})" <<<"$shown"
}

# given HOST NAME: its ceiling and weight, as in force.
given() { vm "$1" "$2" 'f"""{v["fast_size"] >> 20} MiB, weight {v["weight"]}"""'; }
connected() { [ "$(vm "$1" "$2" 'v["connected"]')" = True ]; }
running() { [ "$(on "$1" virsh -q domstate "$2")" = running ]; }
# knows_no HOST NAME: the daemon's list has no such VM, nor are there sockets.
knows_no() { ! on "$1" tierctl show "$2" >/dev/null 2>&1 && [ -z "$(on "$1" sh -c 'ls -A /run/vhost-tier/libvirt 2>/dev/null')" ]; }

# --- tests ---

TOLD=0

# it NAME COMMAND...: one test: the command succeeds.
it() {
    local name=$1 log=$BED/test.log rc
    shift
    TOLD=$((TOLD + 1))
    # Not as part of a condition, in which a command that fails would not end the test.
    set +e
    ( set -ex; "$@" ) >"$log" 2>&1
    rc=$?
    set -e
    if [ $rc -eq 0 ]; then
        echo "ok $TOLD - $name"
    else
        echo "not ok $TOLD - $name"
        grep -v '^++' "$log" | tail -n 25 | cut -c 1-400 | sed 's/^/# /'
    fi
    sed -n 's/^figure: /# figure: /p' "$log"
}

# refuses TEXT COMMAND...: the command fails, and says TEXT.
refuses() {
    local text=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "succeeded, where it was to fail: $*"
        return 1
    fi
    says "$text" "$said"
}

# says TEXT SAID: TEXT is in what was said.
says() {
    case $2 in
        *"$1"*) ;;
        *) echo "did not say '$1': $2"; return 1 ;;
    esac
}

told() { echo "1..$TOLD"; }
