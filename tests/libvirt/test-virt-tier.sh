# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# virt-tier itself, against libvirt's daemon: what it defines, what it leaves alone, what it says; and a guest that goes to a host
# which has nothing of vhost-tier.

. "$(dirname "$0")/bed.sh"

host_start alpha
host_start beta
daemon_start alpha
on beta rm -r /etc/libvirt/hooks
mkdir -m 1777 "$BED/way"
for host in alpha beta; do
    on $host mkdir /run/emulator
    on $host mount --bind /run/qemu /run/emulator
done
EMULATOR=/run/emulator/bin/qemu-system-x86_64

xml() { on alpha virsh -q dumpxml --inactive "$1"; }

undone_byte_for_byte() {
    local before
    define alpha web "<title>A 'title' &amp; more</title>
        <metadata><app:x xmlns:app='urn:app'>text<app:y/></app:x></metadata>"
    before=$(xml web)
    on alpha virt-tier enable web --fast-max 25% --hints on --pin-limit 1MiB --emulator /run/qemu/bin/qemu-system-x86_64
    [ "$(xml web)" != "$before" ]
    on alpha virt-tier set web --weight 7 --tiers 0 --mode observe
    on alpha virt-tier disable web
    [ "$(xml web)" = "$before" ]
    on alpha virsh -q metadata web urn:app --remove --config
    before=$(xml web)
    on alpha virt-tier enable web
    on alpha virt-tier disable web
    [ "$(xml web)" = "$before" ]
}

a_dry_run_prints_what_would_be_defined() {
    local before planned
    define alpha web
    before=$(xml web)
    planned=$(on alpha virt-tier enable web --fast-max 25% --dry-run)
    [ "$(xml web)" = "$before" ]
    on alpha virt-tier enable web --fast-max 25%
    says 'fast-size=16M' "$planned"
    says 'fast-size=16M' "$(xml web)"
}

virsh_sets_and_reads_the_settings() {
    tiered alpha web --fast-max 25%
    says '<fast-max unit="%">25</fast-max>' "$(on alpha virsh metadata web urn:vhost-tier:domain:1)"
    on alpha virsh -q metadata web urn:vhost-tier:domain:1 tier "<memory><weight>300</weight></memory>" --config
    refuses 'contradict each other' on alpha virt-tier check web
    says 'invalid' "$(on alpha virt-tier list)"
    on alpha virt-tier set web
    on alpha virt-tier check web
    says 'weight=300' "$(xml web)"
}

settings_change_live_or_defined() {
    tiered alpha web --fast-max 25%
    on alpha virsh -q start web
    await 'the connection' connected alpha web
    on alpha virt-tier set web --live --weight 300
    [ "$(given alpha web)" = '16 MiB, weight 300' ]
    case $(xml web) in *300*) return 1 ;; esac
    on alpha virt-tier set web --config --weight 400
    [ "$(given alpha web)" = '16 MiB, weight 300' ]
    on alpha virt-tier set web --live --fast-max 40%
    [ "$(given alpha web)" = '25 MiB, weight 300' ]
    on alpha virt-tier set web --hints on --pin-limit 4MiB
    on alpha virt-tier set web --hints default --pin-limit default
    on alpha virt-tier set web --fast-max 50% --weight default
    [ "$(given alpha web)" = '32 MiB, weight 100' ]
    says 'observe' "$(on alpha virt-tier status web)"
    refuses 'leave out --live' on alpha virt-tier set web --live --tiers 0
    daemon_stop alpha
    refuses 'the definition is changed, but the running domain is not' on alpha virt-tier set web --weight 5
    refuses 'systemctl start vhost-tier' on alpha virt-tier status
    daemon_start alpha
}

what_can_not_be_done_changes_nothing() {
    local before
    define alpha web '<memoryBacking><locked/></memoryBacking>'
    before=$(xml web)
    refuses 'locked memory' on alpha virt-tier enable web
    refuses '1 problem' on alpha virt-tier check web
    on alpha virsh -q undefine web
    define alpha web
    before=$(xml web)
    refuses 'above fast-max' on alpha virt-tier enable web --fast-min 60%
    refuses 'does not exist' on alpha virt-tier enable web --tiers '0;63'
    refuses 'not tiered' on alpha virt-tier set web --weight 5
    refuses 'is not tiered' on alpha virt-tier show web
    refuses 'knows no domain' on alpha virt-tier enable nobody
    refuses 'only QEMU' on alpha virt-tier -c test:///default enable test
    [ "$(xml web)" = "$before" ]
    on alpha virsh -q undefine web
    on alpha virsh -q create "$BED/alpha/web.xml"
    refuses 'is transient' on alpha virt-tier enable web
    on alpha virsh -q destroy web
}

# shellcheck disable=SC2016
names_may_be_odd() {
    local name="a \"b\" 'c' \$d; -e"
    define alpha 'a &quot;b&quot; &apos;c&apos; $d; -e'
    on alpha virt-tier enable "$name" --weight 5
    on alpha virsh -q start "$name"
    await 'the connection' connected alpha "$name"
    [ "$(given alpha "$name")" = '32 MiB, weight 5' ]
    says '$d; -e' "$(on alpha virt-tier status)"
    undefine alpha "$name"
}

# migrate_plainly FROM TO NAME [OPTION...]
migrate_plainly() {
    local from=$1 to=$2 name=$3
    shift 3
    on "$from" virsh -q migrate "$name" "qemu+unix:///system?socket=/proc/${HOST_PID[$to]}/root/run/libvirt/libvirt-sock" \
        --migrateuri "unix:$BED/way/$name-$to" --live --p2p --persistent --undefinesource "$@"
}

to_a_host_with_nothing_of_ours_and_back() {
    plain_emulator beta "$EMULATOR"
    tiered alpha web --fast-max 25%
    on alpha virsh -q start web
    await 'the connection' connected alpha web
    on alpha virt-tier plain web >"$BED/alpha/plain.xml"
    migrate_plainly alpha beta web --xml "$BED/alpha/plain.xml" --persistent-xml "$BED/alpha/plain.xml"
    running beta web
    case $(on beta virsh -q dumpxml web) in *qemu:arg*) return 1 ;; esac
    migrate_plainly beta alpha web
    await 'the connection' connected alpha web
    [ "$(given alpha web)" = '16 MiB, weight 100' ]
}

# A test, whose domain goes with it.
each() { it "$@"; undefine alpha web; }

each 'disable leaves the XML as it was before enable, byte for byte' undone_byte_for_byte
each 'a dry run prints what would be defined, and defines nothing' a_dry_run_prints_what_would_be_defined
each 'virsh metadata sets and reads the settings' virsh_sets_and_reads_the_settings
each 'settings change in the running domain, in the definition, or in both' settings_change_live_or_defined
each 'what can not be done is refused, and changes nothing' what_can_not_be_done_changes_nothing
each 'names may be odd' names_may_be_odd
each 'a guest goes to a host that has nothing of vhost-tier, and back' to_a_host_with_nothing_of_ours_and_back
told
