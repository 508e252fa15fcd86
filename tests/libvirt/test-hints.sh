# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A tiered domain whose guest gives hints: the device that libvirt knows nothing of, its socket, and what of it moves.

. "$(dirname "$0")/bed.sh"

WORK='pattern=gups-hot mb=28 hints=honest'
host_start alpha
host_start beta
daemon_start alpha
daemon_start beta

# How many ranges it has told of, whatever became of them.
told_ranges() { vm "$1" guest 'sum(n for r in v["hints"]["ranges"].values() for k, n in r.items() if k != "bytes")'; }
hints_arrive() { [ "$(told_ranges "$1")" -gt 0 ]; }

the_guest_is_heard() {
    tiered alpha guest --hints on --pin-limit 4MiB
    on alpha virsh -q start guest
    await 'hints' hints_arrive alpha
    [ "$(on alpha sh -c 'stat -c "%U:%G %a" /run/vhost-tier/libvirt/*/hint.sock')" = 'libvirt-qemu:libvirt-qemu 660' ]
}

it_moves_to_another_host() {
    migrate alpha beta guest
    await 'the connection' connected beta guest
    says 'vhost-user-tier-pci' "$(on beta virsh -q dumpxml guest)"
    says '"connected": true' "$(qmp beta guest query-virtio-tier)"
    await 'the end' knows_no alpha guest
    migrate beta alpha guest
    await 'the connection' connected alpha guest
}

it_is_saved_and_restored() {
    on alpha virsh -q managedsave guest
    on alpha virsh -q start guest
    await 'the connection' connected alpha guest
    says '"connected": true' "$(qmp alpha guest query-virtio-tier)"
}

# The device can't go while the guest runs.
it_stays_where_the_other_host_has_no_such_device() {
    plain_emulator beta /run/qemu/bin/qemu-system-x86_64
    refuses 'the guest has a virtio-tier device' migrate alpha beta guest
    running alpha guest
}

it 'what a guest says of its memory arrives' the_guest_is_heard
it 'a guest that gives hints goes to another host and back' it_moves_to_another_host
it 'a guest that gives hints is saved and restored' it_is_saved_and_restored
it 'a guest that gives hints stays where the other host has no such device' it_stays_where_the_other_host_has_no_such_device
told
