#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# The driver with two devices, of a back end each: each has its own, and one goes on while the other is silent, breaks or goes.

. /test/lib.sh

FIRST=/dev/virtio-tier
SECOND=/dev/virtio-tier1
PIN=5

# tell DEVICE TYPE: one hint about one page.
tell()   { tier-hint --device "$1" "$2" phys $PAGE 4096; }
works()  { until_so 10 tell "$1" hot; }
both()   { [ -c $FIRST ] && [ -c $SECOND ]; }
# of DEVICE FILE: what sysfs shows of it.
of()     { cat "/sys/class/misc/${1#/dev/}/device/$2"; }
# came N: requests that came to that back end; told N TYPE: ranges of a type.
came()   { host backend "$1" >/dev/null; host requests; }
told()   { host backend "$1" >/dev/null; host told "$2"; }
# mode N MODE: of that back end.
mode()   { host backend "$1" >/dev/null; host mode "$2" >/dev/null; }
# rises BEFORE COMMAND...: the number that the command prints has become greater.
rises()  { local before=$1; shift; until_so 10 eval "[ \$($*) -gt $before ]"; }

load
check both_devices_are_there until_so 10 both
check the_second_belongs_to_root is 600 stat -c %a $SECOND
check config_is_shown_of_each is '4096 4096' eval "echo \$(of $FIRST config/granule_bytes) \$(of $SECOND config/granule_bytes)"
check one_device_reports_free_memory is 1 eval "echo \$((\$(of $FIRST free_page_reporting) + \$(of $SECOND free_page_reporting)))"

# Each has its own

before=$(came 1)
check a_hint_goes_to_the_device_that_is_opened tell $SECOND cold
check it_comes_to_its_back_end rises "$before" came 1
check it_counts_there is '0 1' eval "echo \$(told 0 2) \$(told 1 2)"
check tools_take_the_first eval 'before=$(told 0 2); tier-hint cold phys $PAGE 4096; rises $before told 0 2'
check stats_tell_of_both is 2 eval 'tier-hint stats | grep -c "^virtio"'
before=$(told 1 $PIN)
check kernel_hints_are_taken kernel_hint valid
check they_go_to_the_first rises 0 told 0 $PIN
check and_not_to_the_second is "$before" told 1 $PIN
tier-hint --device $SECOND watch >/tmp/events 2>&1 &
watcher=$!
usleep 300000
host backend 1 >/dev/null
check an_event_of_the_second eval 'host event 1 1 4096; until_so 5 grep -q "bytes: 4096" /tmp/events'
host backend 0 >/dev/null
check is_not_mixed_with_the_firsts eval 'host event 1 1 8192; usleep 300000; not grep -q "bytes: 8192" /tmp/events'
kill $watcher

# One goes on while the other does not

mode 0 silent
echo 200 >/sys/module/virtio_tier/parameters/timeout_ms
check the_first_is_silent fails_with 'does not answer' tell $FIRST hot
check the_second_answers tell $SECOND hot
mode 0 honest
before=$(of $SECOND stats/resets)
host break >/dev/null
check the_first_is_reset rises 0 of $FIRST stats/resets
check the_second_is_not is "$before" of $SECOND stats/resets
check both_work eval "works $FIRST && works $SECOND"

# Who keeps memory pinned is told whenever it has to be given again

before=$(told 0 $PIN)
check a_module_pins insmod /test/tier_hint_test.ko what=keep
check the_pin_comes rises "$before" told 0 $PIN
before=$(told 0 $PIN)
check suspend_and_resume suspend_and_resume
check both_work_after_it eval "works $FIRST && works $SECOND"
check the_pin_is_given_again rises "$before" told 0 $PIN

# One is unplugged while the other works

callers 2 $SECOND
mode 0 silent
callers 2 $FIRST
exec 4<$FIRST
usleep 300000
failures=$(of $SECOND stats/timeouts)
before=$(told 1 $PIN)
check unplugging_the_first says return host qmp device_del '{"id":"tier0"}'
check it_goes until_so 15 gone
check the_second_stays works $SECOND
check the_pin_goes_to_the_second rises "$before" told 1 $PIN
check kernel_hints_go_there eval 'before=$(told 1 $PIN); rmmod tier_hint_test; kernel_hint valid; rises $before told 1 $PIN'
check tools_take_what_is_there eval 'before=$(told 1 2); tier-hint cold phys $PAGE 4096; rises $before told 1 2'
check nobody_waited_at_the_second is "$failures" of $SECOND stats/timeouts
mode 0 honest

# And comes back, under its name, though the old one is still open: whoever finds the name can open it.
slot=slot0
plug_in() { says return host qmp device_add "{\"driver\":\"vhost-user-tier-pci\",\"id\":\"tier0\",\"chardev\":\"hint0\",\"bus\":\"$slot\"}"; }
opens()   {
    local i
    for i in $(seq 5000); do
        [ -c $FIRST ] && { true <$FIRST; return; }
        usleep 1000
    done
    echo "$FIRST did not come"
    return 1
}
come_and_go() {
    local i
    for i in 1 2 3 4; do
        until_so 10 plug_in && opens && works $FIRST || return 1
        host qmp device_del '{"id":"tier0"}' >/tmp/said
        until_so 15 gone || return 1
    done
}
check a_device_that_comes_can_be_opened_at_once come_and_go
exec 4<&-
check it_stays_at_last eval "until_so 10 plug_in && until_so 10 both && works $FIRST"

# Unloading takes both

unload_and_load() {
    until_so 10 rmmod virtio_tier && gone && ! [ -e $SECOND ] && insmod /test/virtio_tier.ko && until_so 10 both
}
callers 2 $FIRST
check unbinding_one_leaves_the_other eval 'echo $(basename $(readlink -f /sys/class/misc/virtio-tier1/device)) >$DRIVER/unbind; works $FIRST; not [ -e $SECOND ]'
check unloading_and_loading unload_and_load
check both_work_at_the_end eval "works $FIRST && works $SECOND"
check no_kernel_complaint kernel_is_sound
