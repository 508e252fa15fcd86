# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Guests that go on elsewhere, or later: managed save and restore, live migration between two hosts, with and without
# vhost-tier there.

. "$(dirname "$0")/bed.sh"

host_start alpha
host_start beta
daemon_start alpha
daemon_start beta

saved_and_restored() {
    tiered alpha web --fast-max 25%
    on alpha virsh -q start web
    await 'the connection' connected alpha web
    on alpha virt-tier set web --fast-max 50%
    on alpha virsh -q managedsave web
    await 'the end' knows_no alpha web
    on alpha virsh -q start web
    await 'the connection' connected alpha web
    [ "$(given alpha web)" = '32 MiB, weight 100' ]
    running alpha web
}

saved_tiered_restored_without_the_daemon() {
    on alpha virsh -q managedsave web
    daemon_stop alpha
    on alpha virsh -q start web
    running alpha web
    daemon_start alpha
    libvirtd_restart alpha
    await 'the connection' connected alpha web
}

there_and_back() {
    on alpha virt-tier set web --weight 300
    migrate alpha beta web
    running beta web
    await 'the connection' connected beta web
    [ "$(given beta web)" = '32 MiB, weight 300' ]
    await 'the end' knows_no alpha web
    migrate beta alpha web
    await 'the connection' connected alpha web
    await 'the end' knows_no beta web
}

to_a_host_without_the_daemon() {
    daemon_stop beta
    migrate alpha beta web
    running beta web
    says '"connected": false' "$(qmp beta web query-memory-tiers)"
    migrate beta alpha web
    await 'the connection' connected alpha web
    daemon_start beta
}

what_requires_the_daemon_stays() {
    tiered alpha strict --required yes
    on alpha virsh -q start strict
    daemon_stop beta
    refuses "required='yes'" migrate alpha beta strict
    running alpha strict
    connected alpha strict
    daemon_start beta
    migrate alpha beta strict
    await 'the connection' connected beta strict
    undefine beta strict
}

# The emulator at that path has no tiered memory: the guest goes on with ordinary memory, and is tiered again when it is back.
to_a_host_without_our_qemu_and_back() {
    EMULATOR=/run/emulator/bin/qemu-system-x86_64
    tiered alpha guest --fast-max 25%
    on alpha virsh -q start guest
    await 'the connection' connected alpha guest
    plain_emulator beta "$EMULATOR"
    migrate alpha beta guest
    running beta guest
    case $(on beta virsh -q dumpxml guest) in *vhost-tier-ram*) return 1 ;; esac
    [ "$(on beta tierctl list --json)" = '[]' ]
    migrate beta alpha guest
    await 'the connection' connected alpha guest
    says 'memory-backend-tier,id=vhost-tier-ram' "$(on alpha virsh -q dumpxml guest)"
    [ "$(given alpha guest)" = '16 MiB, weight 100' ]
}

what_requires_our_qemu_stays() {
    on alpha virsh -q destroy guest
    on alpha virt-tier set guest --required yes
    on alpha virsh -q start guest
    refuses 'knows no tiered memory' migrate alpha beta guest
    running alpha guest
    undefine alpha guest
}

an_untiered_guest_is_not_noticed() {
    define alpha plain
    on alpha virsh -q start plain
    migrate alpha beta plain
    running beta plain
    case $(on beta virsh -q dumpxml plain) in *vhost-tier*) return 1 ;; esac
    undefine beta plain
}

# An emulator at the same place on both hosts, which is another one on beta later.
for host in alpha beta; do
    on $host mkdir /run/emulator
    on $host mount --bind /run/qemu /run/emulator
done

it 'a guest is saved and restored' saved_and_restored
it 'a guest is restored without the daemon, and tiered when it is back' saved_tiered_restored_without_the_daemon
it 'a guest goes to another host and back' there_and_back
it 'a guest goes to a host without the daemon, and back' to_a_host_without_the_daemon
it 'what requires the daemon does not go where there is none' what_requires_the_daemon_stays
it 'a guest goes to a host without our QEMU, and back' to_a_host_without_our_qemu_and_back
it 'what requires our QEMU does not go where it is not' what_requires_our_qemu_stays
it 'a guest without tier settings is not noticed' an_untiered_guest_is_not_noticed
told
