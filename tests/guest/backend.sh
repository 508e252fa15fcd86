#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# The driver with a back end that is honest, and then with one that is not.

. /test/lib.sh

# tell TYPE: one hint about one page.
tell() { tier-hint "$1" phys $PAGE 4096; }

timeout_is() { echo "$1" >/sys/module/virtio_tier/parameters/timeout_ms; }

works() { until_so 10 tell hot; }

# Loading and looking

check the_module_finds_its_device load
check config_is_as_the_device_says is '4096 67108864 16777216 1024 0 2' \
    eval 'cd $DRIVER/virtio*/config; echo $(cat granule_bytes fast_budget_bytes pin_limit_bytes max_ranges max_ranges_per_s tiers)'
check trust_is_unknown_before_the_first_hint is unknown show trust
check a_hint_is_taken is '4 KiB told, 4 KiB taken' tell hot
check trust_is_as_the_last_answer_says is trusted show trust
check a_query_is_answered says 'tier 0: 4 KiB' tell query
check stats_are_shown says 'ranges_ok *2$' tier-hint stats
/test/calls --tap -k
check the_device_belongs_to_root is 600 stat -c %a /dev/virtio-tier

# tier-hint and other processes

sleep 1000 &
sleeper=$!
text=$(sed -n 's/^\([0-9a-f]*\)-\([0-9a-f]*\) r-xp .*busybox.*/0x\1/p' /proc/$sleeper/maps | head -n 1)
check another_process_is_told_of says '[1-9][0-9]* KiB taken' tier-hint hot $sleeper "$text" 64K
check free_is_not_said_of_what_others_share is '0 KiB told, 0 KiB taken' tier-hint free $sleeper "$text" 64K
check no_such_process_is_said fails_with 'no such process' tier-hint hot 99999 0x1000 4K
check a_wrong_number_is_said fails_with 'a number is needed' tier-hint hot 1 here 4K
kill $sleeper

# Hints from within the kernel

check kernel_hints_come_from_any_context kernel_hint valid
check wrong_kernel_hints_are_refused kernel_hint invalid
before=$(show stats/ranges_ok)
check neighbours_are_joined kernel_hint neighbours
check joined_hints_are_sent until_so 5 more_than "$before" stats/ranges_ok
usleep 300000
check joined_hints_are_few eval 'at_most 40000 $(($(show stats/ranges_ok) - before))'

# Events

tier-hint watch >/tmp/events 2>&1 &
watcher=$!
usleep 300000
check an_event_is_taken is sent host event 1 1 4096
check an_event_is_told until_so 5 grep -q 'fast budget changed; bytes: 4096 (budget or limit shrank)' /tmp/events
check an_unknown_event_is_ignored eval 'host event 77 1 9; host event 2 88 9; until_so 5 grep -q "pinned: 9 (unknown)" /tmp/events; not grep -q "unknown 9" /tmp/events'
check a_short_event_is_not eval 'host event 1 1 5 4 >/tmp/said; until_so 5 more_than 0 stats/device_errors; not grep -q "bytes: 5 " /tmp/events'
kill $watcher
check many_events_do_no_harm eval 'for i in $(seq 200); do host event 3 2 1; done >/tmp/said; works'

# Free page reporting

dd if=/dev/zero of=/tmp/filler bs=1M count=64 2>/dev/null
rm /tmp/filler
before=$(show stats/ranges_ok)
check free_memory_is_reported is 1 show free_page_reporting
check freed_memory_is_told eval 'until_so 10 more_than $before stats/ranges_ok'

# Suspend

check suspend_and_resume suspend_and_resume
check hints_work_after_resume works
tier-hint watch >/tmp/events 2>&1 &
watcher=$!
usleep 300000
check suspend_again suspend_and_resume
check dropped_pins_are_told_after_resume until_so 5 grep -q 'pins dropped; bytes still pinned: 0 (started anew)' /tmp/events
kill $watcher
check no_kernel_complaint_so_far kernel_is_sound

# A back end that is wrong

for mode in status range-status short none long cookie count; do
    host mode $mode >/dev/null
    check "an_answer_with_wrong_${mode}_is_an_error" fails_with 'failed' tell hot
    host mode honest >/dev/null
    check "all_is_well_after_wrong_$mode" works
done
host mode refuse >/dev/null
check a_refused_request_says_why fails_with 'too many ranges a second' tell hot
for mode in id twice index; do
    host mode $mode >/dev/null
    tell hot >/dev/null 2>&1
    tell hot >/dev/null 2>&1
    host mode honest >/dev/null
    check "the_device_is_reset_after_wrong_$mode" works
done
check a_device_that_wants_a_reset_gets_one eval 'before=$(show stats/resets); host break >/dev/null; until_so 20 more_than $before stats/resets; works'
check floods_of_events_do_no_harm eval 'host flood 1000 >/dev/null; works'
# The device asks for a reset while the driver is still about to start it, and again after each; it goes and comes meanwhile.
device=$(basename "$DRIVER"/virtio*)
bind() { echo "$device" >$DRIVER/"$1"; }
restart_while_recovering() {
    local pause
    for pause in 0 500000 900000 1000000 1100000; do
        bind unbind && bind bind && loaded || return 1
        usleep $pause
    done
}
host mode sick >/dev/null
check a_device_that_is_sick_from_the_start_is_bound eval 'bind unbind && bind bind && loaded'
check it_is_reset until_so 10 more_than 1 stats/resets
check it_may_go_and_come_while_it_is_reset restart_while_recovering
host mode honest >/dev/null
check all_is_well_once_it_has_recovered until_so 20 tell hot
check the_log_is_not_flooded eval 'at_most 12 $(dmesg | grep -c "virtio_tier virtio.*the device")'

# A back end that does not answer

host mode silent >/dev/null
timeout_is 30
check a_call_does_not_wait_for_ever fails_with 'the host does not answer' tell hot
check many_calls_do_not eval 'for i in $(seq 80); do tell hot; done >/dev/null 2>&1; fails_with "does not answer" tell hot'
check kernel_hints_fill_their_queue kernel_hint full
timeout_is 60000
(tell hot >/tmp/late 2>&1; echo $? >/tmp/late-code) &
usleep 300000
host mode honest >/dev/null
before=$(show stats/ranges_ok)
check suspend_with_requests_in_flight suspend_and_resume
check the_waiting_call_comes_through_in_the_end until_so 10 test -s /tmp/late-code
check hints_work_again works
check waiting_kernel_hints_are_sent until_so 10 more_than $((before + 1000)) stats/ranges_ok

# Unplugging with requests in flight

host mode silent >/dev/null
callers 4
tier-hint watch >/tmp/events 2>&1 &
usleep 500000
check unplugging_is_accepted says return host qmp device_del '{"id":"tier0"}'
check the_device_goes until_so 15 gone
check callers_and_watchers_end until_so 5 eval 'not pidof tier-hint >/tmp/said'
check a_watcher_hears_of_it grep -q 'taken away' /tmp/events
check kernel_hints_find_no_device kernel_hint none
host mode honest >/dev/null
# QEMU lets go of the chardev a little after the guest has let go of the device.
plug_in() { says return host qmp device_add '{"driver":"vhost-user-tier-pci","id":"tier0","chardev":"hint0","bus":"spare"}'; }
check plugging_in until_so 10 plug_in
check the_device_comes until_so 15 loaded
check hints_work_with_it works

# Loading and unloading

exec 4</dev/virtio-tier
check the_module_stays_while_in_use fails_with 'in use\|busy\|unavailable' rmmod virtio_tier
exec 4<&-
unload_and_load() {
    local i
    for i in $(seq 10); do
        callers 2
        echo "$1" >$DRIVER/unbind 2>/dev/null
        wait
        until_so 5 rmmod virtio_tier && insmod /test/virtio_tier.ko && until_so 5 loaded || return 1
    done
}
check unbinding_and_unloading_under_load eval 'unload_and_load $(basename $DRIVER/virtio*)'
check hints_work_at_the_end works
check no_kernel_complaint kernel_is_sound
