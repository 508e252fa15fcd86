# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What is refused, and in which words; and what is not, where something is broken.

. "$(dirname "$0")/bed.sh"

host_start alpha
daemon_start alpha

HOOK=/etc/libvirt/hooks/qemu.d/vhost-tier

# edit NAME SED: as 'virsh edit' would.
edit() {
    on alpha virsh -q dumpxml --inactive "$1" | sed -e "$2" >"$BED/alpha/edited.xml"
    on alpha virsh -q define "$BED/alpha/edited.xml"
}

# hook OPERATION SUB FILE: the hook by hand.
hook() { on alpha "$HOOK" name "$1" "$2" - <"$3"; }

# --- starts that are refused ---

a_command_line_that_contradicts_the_settings() {
    tiered alpha wrong --fast-max 25%
    edit wrong 's/fast-size=16M/fast-size=64M/'
    refuses 'contradict each other' on alpha virsh start wrong
    refuses "'virt-tier set DOMAIN' writes the command line anew" on alpha virsh start wrong
    on alpha virt-tier set wrong --fast-max 25%
    on alpha virsh -q start wrong
    undefine alpha wrong
    await 'the end' knows_no alpha wrong
}

settings_without_a_command_line() {
    local set='virsh -q metadata bare urn:vhost-tier:domain:1 --key tier --config --set'
    define alpha bare
    on alpha $set '<memory required="yes"><weight>3</weight></memory>'
    refuses 'nothing stands where the settings' on alpha virsh start bare
    on alpha $set '<memory><weight>3</weight></memory>'
    on alpha virsh -q start bare
    knows_no alpha bare
    undefine alpha bare
}

settings_that_are_none() {
    local bad
    for bad in '<memory><weight>0</weight></memory>' '<memory><mode>fast</mode></memory>' '<memory><speed>3</speed></memory>' \
               '<memory><fast-max unit="%">101</fast-max></memory>' '<memory><fast-max unit="KiB">-1</fast-max></memory>'; do
        tiered alpha bad
        on alpha virsh -q metadata bad urn:vhost-tier:domain:1 --key tier --set "$bad" --config
        refuses 'vhost-tier: ' on alpha virsh start bad
        undefine alpha bad
    done
}

settings_of_another_version() {
    define alpha future "<metadata><t:memory xmlns:t='urn:vhost-tier:domain:9'/></metadata>"
    refuses "of which this version of vhost-tier knows only" on alpha virsh start future
    undefine alpha future
}

nodes_that_do_not_exist() {
    tiered alpha far
    on alpha virsh -q dumpxml --inactive far >"$BED/alpha/far.xml"
    sed -i "s,<tier:memory\(.*\)/>,<tier:memory\1><tier:tiers>0;1023</tier:tiers></tier:memory>,; s/size=64M,/size=64M,/; \
            s/,chardev=vhost-tier-memory/,tiers.0=0,tiers.1=1023,chardev=vhost-tier-memory/" "$BED/alpha/far.xml"
    on alpha virsh -q define "$BED/alpha/far.xml"
    refuses "1023" on alpha virsh start far
    undefine alpha far
}

# --- the daemon is not there, or not well ---

without_the_daemon_it_starts_untiered() {
    daemon_stop alpha
    tiered alpha loose
    on alpha virsh -q start loose
    says '"connected": false' "$(qmp alpha loose query-memory-tiers)"
    running alpha loose
    undefine alpha loose
    daemon_start alpha
}

without_the_daemon_what_requires_it_does_not_start() {
    daemon_stop alpha
    tiered alpha strict --required yes
    refuses "required='yes'" on alpha virsh start strict
    refuses "start it with 'systemctl start vhost-tier'" on alpha virsh start strict
    daemon_start alpha
    on alpha virsh -q start strict
    undefine alpha strict
    await 'the end' knows_no alpha strict
}

# A daemon that is stopped has a socket that nobody answers at.
a_daemon_that_hangs_costs_a_second() {
    local start ms
    tiered alpha loose
    tiered alpha strict --required yes
    kill -STOP "$(daemon_pid alpha)"
    start=$(date +%s%N)
    on alpha virsh -q start loose
    ms=$((($(date +%s%N) - start) / 1000000))
    echo "figure: a start takes $ms ms where the daemon hangs"
    [ $ms -lt 4000 ]
    refuses 'did not answer within 1 s' on alpha virsh start strict
    kill -CONT "$(daemon_pid alpha)"
    undefine alpha loose
    undefine alpha strict
}

# A name that is another's is neither taken over nor, at the end, removed.
a_name_that_another_vm_has() {
    on alpha tierctl add taken
    tiered alpha taken --required yes
    refuses "serves another VM named 'taken'" on alpha virsh start taken
    on alpha virt-tier set taken --required no
    on alpha virsh -q start taken
    on alpha virsh -q destroy taken
    on alpha tierctl show taken
    on alpha tierctl remove taken
    undefine alpha taken
}

names_with_quotes_and_spaces() {
    local name
    for name in "it's" 'two words' 'quo"te' 'a&b<c>' '-dash' '$(true)' 'ünïcode' '.hidden' "$(printf 'n%.0s' $(seq 100))"; do
        domain NAME | NAME=$name /usr/bin/python3 -c \
            'import os, sys, xml.sax.saxutils as x; print(sys.stdin.read().replace("NAME", x.escape(os.environ["NAME"])))' \
            >"$BED/alpha/named.xml"
        on alpha virsh -q define "$BED/alpha/named.xml"
        on alpha virt-tier enable --required yes -- "$name"
        on alpha virsh -q start -- "$name"
        [ "$(on alpha sh -c 'ls /run/vhost-tier/libvirt | wc -l')" = 1 ]
        on alpha virsh -q destroy -- "$name"
        [ "$(on alpha tierctl list --json)" = '[]' ]
        on alpha virsh -q undefine -- "$name"
    done
}

# --- the hook by hand ---

an_untiered_domain_costs_nothing() {
    local start us
    define alpha plain
    on alpha virsh -q dumpxml plain >"$BED/alpha/plain.xml"
    start=$(date +%s%N)
    on alpha bash -c 'for i in {1..100}; do "$0" plain prepare begin - <"$1"; done' "$HOOK" "$BED/alpha/plain.xml"
    us=$((($(date +%s%N) - start) / 100000))
    echo "figure: the hook takes $us us for a domain without tier settings"
    [ $us -lt 10000 ]
    undefine alpha plain
}

an_untiered_domain_starts_whatever_is_broken() {
    daemon_stop alpha
    define alpha plain
    on alpha mount -t tmpfs broken /etc/libvirt/hooks/vhost-tier
    on alpha virsh -q start plain
    tiered alpha web
    refuses "can't be run" on alpha virsh start web
    on alpha umount /etc/libvirt/hooks/vhost-tier
    undefine alpha plain
    undefine alpha web
    daemon_start alpha
}

what_is_no_domain_is_no_reason_to_fail() {
    : >"$BED/empty"
    head -c 100M /dev/zero >"$BED/zeros"
    hook prepare begin "$BED/empty"
    hook prepare begin "$BED/zeros"
    hook release end "$BED/empty"
    hook attach begin "$BED/empty"
}

bombs_are_not_expanded() {
    local mark="<metadata><t:memory xmlns:t='urn:vhost-tier:domain:1'/></metadata>"
    printf '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><domain><name>&b;</name>%s</domain>' "$mark" \
        >"$BED/bomb"
    printf '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/hostname">]><domain><name>&a;</name>%s</domain>' "$mark" >"$BED/external"
    { printf '<domain><name>n</name>%s<description>' "$mark"; head -c 100M /dev/zero | tr '\0' x; printf '</description></domain>'; } >"$BED/huge"
    printf '%s<domain>' "$mark" >"$BED/broken"
    for bad in bomb external huge broken; do
        refuses 'vhost-tier: ' hook prepare begin "$BED/$bad"
        refuses 'vhost-tier: ' hook migrate begin "$BED/$bad"
        hook reconnect begin "$BED/$bad"
        hook release end "$BED/$bad"
    done
}

# libvirt would kill the guest after a reconnect that fails.
what_must_not_fail_does_not_with_a_broken_hook() {
    local broken program=/etc/libvirt/hooks/vhost-tier/libvirt-hook
    tiered alpha web
    on alpha virsh -q dumpxml web >"$BED/alpha/tiered.xml"
    for broken in 'exit 127' 'kill -SEGV $$'; do
        printf '#!/bin/sh\n%s\n' "$broken" >"$BED/alpha/broken"
        chmod 755 "$BED/alpha/broken"
        on alpha mount --bind "$BED/alpha/broken" "$program"
        hook reconnect begin "$BED/alpha/tiered.xml"
        hook started begin "$BED/alpha/tiered.xml"
        hook release end "$BED/alpha/tiered.xml"
        refuses '' hook prepare begin "$BED/alpha/tiered.xml"
        on alpha umount "$program"
    done
    undefine alpha web
}

wrong_arguments_are_told_the_right_ones() {
    refuses 'DOMAIN OPERATION' on alpha "$HOOK"
    refuses 'DOMAIN OPERATION' on alpha "$HOOK" name prepare
    on alpha "$HOOK" name reconnect
}

it 'a command line that contradicts the settings is refused' a_command_line_that_contradicts_the_settings
it 'settings without a command line are refused where they are required' settings_without_a_command_line
it 'settings that are none are refused' settings_that_are_none
it 'settings of another version are refused' settings_of_another_version
it 'nodes that do not exist are refused' nodes_that_do_not_exist
it 'without the daemon a domain starts untiered' without_the_daemon_it_starts_untiered
it 'without the daemon what requires it does not start' without_the_daemon_what_requires_it_does_not_start
it 'a daemon that hangs costs a second' a_daemon_that_hangs_costs_a_second
it 'a name that another VM has stays its own' a_name_that_another_vm_has
it 'names may have quotes, spaces and more' names_with_quotes_and_spaces
it 'the hook costs a domain without tier settings next to nothing' an_untiered_domain_costs_nothing
it 'a domain without tier settings starts whatever is broken' an_untiered_domain_starts_whatever_is_broken
it 'what is no domain is no reason to fail' what_is_no_domain_is_no_reason_to_fail
it 'bombs are not expanded, and end no guest' bombs_are_not_expanded
it 'what must not fail does not, though the hook itself is broken' what_must_not_fail_does_not_with_a_broken_hook
it 'wrong arguments are told the right ones' wrong_arguments_are_told_the_right_ones
told
