# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A tiered domain's life, from enable to release, with all there: libvirtd, hook, vhost-tier, our QEMU.

. "$(dirname "$0")/bed.sh"

host_start alpha
daemon_start alpha

enable_writes_settings_and_command_line() {
    tiered alpha web --fast-max 25% --weight 200
    says '<tier:memory' "$(on alpha virsh -q dumpxml web)"
    says 'memory-backend-tier' "$(on alpha virsh -q dumpxml web)"
    on alpha virsh -q metadata web urn:vhost-tier:domain:1
}

a_start_makes_it_known_to_the_daemon() {
    on alpha virsh -q start web
    await 'the connection' connected alpha web
    [ "$(given alpha web)" = '16 MiB, weight 200' ]
    says '"connected": true' "$(qmp alpha web query-memory-tiers)"
}

sockets_are_for_its_qemu_alone() {
    local folder=/run/vhost-tier/libvirt
    [ "$(on alpha sh -c "stat -c '%U:%G %a' $folder/*")" = 'root:libvirt-qemu 750' ]
    [ "$(on alpha sh -c "stat -c '%U:%G %a' $folder/*/memory.sock")" = 'libvirt-qemu:libvirt-qemu 660' ]
}

set_changes_it_while_it_runs() {
    on alpha virt-tier set web --fast-max 50% --weight 300
    [ "$(given alpha web)" = '32 MiB, weight 300' ]
    says 'fast-size=32M' "$(on alpha virsh -q dumpxml --inactive web)"
}

status_tells_figures() { says web "$(on alpha virt-tier status web)"; }

qemu_believes() { says "\"fast-size\": $1" "$(qmp alpha web query-memory-tiers)"; }

# QEMU is not asked: who has taken it over could say anything.
qemu_cannot_lift_its_ceiling() {
    qmp alpha web memory-tier-set '{"id":"vhost-tier-ram","fast-size":67108864,"weight":1000}'
    await 'what QEMU is told' qemu_believes 33554432
    [ "$(given alpha web)" = '32 MiB, weight 300' ]
}

it_outlives_the_daemon() {
    daemon_stop alpha KILL
    running alpha web
    daemon_start alpha
    await 'the connection' connected alpha web
    [ "$(given alpha web)" = '32 MiB, weight 300' ]
}

it_outlives_libvirtd() {
    libvirtd_restart alpha
    running alpha web
    connected alpha web
}

# libvirtd's start finds a guest of which the daemon knows nothing: it was not there when the guest started, say.
reconnect_registers_what_the_daemon_does_not_know() {
    on alpha tierctl remove web
    refuses 'no VM' on alpha tierctl show web
    libvirtd_restart alpha
    await 'the connection' connected alpha web
    running alpha web
}

reconnect_lets_the_guest_live_without_the_daemon() {
    daemon_stop alpha
    libvirtd_restart alpha
    running alpha web
    daemon_start alpha
    await 'the connection' connected alpha web
}

destroy_leaves_nothing() {
    on alpha virsh -q destroy web
    await 'the end' knows_no alpha web
    [ "$(on alpha tierctl list --json)" = '[]' ]
}

release_needs_no_settings() {
    on alpha virsh -q start web
    await 'the connection' connected alpha web
    on alpha virsh -q metadata web urn:vhost-tier:domain:1 --live --remove
    on alpha virsh -q destroy web
    await 'the end' knows_no alpha web
}

disable_gives_back_the_domain_as_it_was() {
    undefine alpha web
    define alpha web
    on alpha virsh -q dumpxml --inactive web >"$BED/before"
    on alpha virt-tier enable web --fast-max 25%
    on alpha virt-tier disable web
    on alpha virsh -q dumpxml --inactive web >"$BED/after"
    diff "$BED/before" "$BED/after"
}

it 'enable writes settings and command line' enable_writes_settings_and_command_line
it 'a start makes it known to the daemon' a_start_makes_it_known_to_the_daemon
it "sockets are for its QEMU alone" sockets_are_for_its_qemu_alone
it 'set changes it while it runs, and for the next start' set_changes_it_while_it_runs
it 'status tells figures' status_tells_figures
it 'QEMU cannot lift its own ceiling' qemu_cannot_lift_its_ceiling
it 'it outlives a daemon that is killed, and its limits hold' it_outlives_the_daemon
it 'it outlives a restart of libvirtd' it_outlives_libvirtd
it 'reconnect registers what the daemon does not know' reconnect_registers_what_the_daemon_does_not_know
it 'reconnect lets the guest live where there is no daemon' reconnect_lets_the_guest_live_without_the_daemon
it 'destroy leaves neither VM nor sockets' destroy_leaves_nothing
it 'nor does it where its settings were taken out while it ran' release_needs_no_settings
it 'disable gives back the domain as it was' disable_gives_back_the_domain_as_it_was
told
