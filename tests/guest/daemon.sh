#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# The driver and the real daemon: hints arrive, are answered and counted.

. /test/lib.sh

tell() { tier-hint "$1" phys $PAGE 2M; }

kdamonds() { cat /sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds; }
damon_stat() { cat /sys/module/damon_stat/parameters/enabled 2>/dev/null || echo none; }

check the_module_finds_its_device load
check the_daemon_takes_a_hint until_so 15 says '2048 KiB told, 2048 KiB taken' tell hot
check the_daemon_trusts_us is trusted show trust
# How much may be pinned goes by the budget, which the daemon may have made smaller.
check the_daemon_answers_pin says 'KiB taken$\|taken; more would be pinned' tell pin
for type in cold willneed free unpin query; do
    check "the_daemon_takes_$type" tell $type
done
check answers_are_counted more_than 5 stats/requests
# figures: what query-vm says of hints; its snapshot is an epoch old at the most.
figures() { host daemon query-vm '{"name":"guest"}' | grep -o '"hints": {.*'; }
# hot_taken: ranges. The driver's own count is of no use here: the kernel reports free pages all the time.
hot_taken() { figures | sed -n 's/.*"hot": {[^}]*"taken": \([0-9]*\).*/\1/p'; }
more_hot_taken() { at_least $(($1 + 1)) "$(hot_taken)"; }
for type in hot cold willneed free pin unpin; do
    check "the_daemon_counts_$type" until_so 5 says "\"$type\": {[^}]*[1-9]" figures
done
check qemu_shows_the_device says '"connected": true' host qmp query-virtio-tier

# A daemon that is killed: calls wait, and the next one answers.
echo 500 >/sys/module/virtio_tier/parameters/timeout_ms
host kill-daemon >/dev/null
check without_a_daemon_calls_time_out fails_with 'does not answer' tier-hint hot phys $PAGE 4096
host start-daemon >/dev/null
check the_next_daemon_answers until_so 20 tell hot

# DAMON in the guest: a program that is worth a look, and hints of it
/test/hot-part 64 16 >/tmp/where &
stat_before=$(damon_stat)
before=$(hot_taken)
tier-hint auto --interval 1 --cold-after 3 --max-cpu 100 >/tmp/auto 2>&1 &
auto=$!
# auto_is_taken: what it says, and what is counted, is shown where it is not.
auto_is_taken() {
    until_so 60 more_hot_taken "$before" && return
    cat /tmp/auto
    echo "before: $before"
    figures
    grep . "$DRIVER"/virtio*/stats/*
    return 1
}
check auto_sends_hints_that_are_taken auto_is_taken
check auto_has_one_kdamond is 1 kdamonds
check a_second_auto_does_not_start fails_with 'another' timeout 5 tier-hint auto
kill $auto
wait $auto
check auto_ends_well is 0 echo $?
check auto_sends_nothing_malformed is 0 show stats/ranges_invalid
check auto_says_once_what_becomes_of_hints eval 'cat /tmp/auto; at_most 1 "$(grep -c "hints of hot" /tmp/auto)" && at_most 1 "$(grep -c "hints of cold" /tmp/auto)"'
check auto_gives_damon_back is 0 kdamonds
check auto_gives_damon_stat_back is "$stat_before" damon_stat
tier-hint auto --interval 1 --max-cpu 100 >/tmp/auto 2>&1 &
auto=$!
until_so 10 grep -q on /sys/kernel/mm/damon/admin/kdamonds/0/state
kill -9 $auto
wait $auto 2>/dev/null
check the_next_auto_takes_over_what_a_killed_one_left eval 'timeout 3 tier-hint auto --interval 1; is 0 kdamonds && is "$stat_before" damon_stat'
echo 1 >/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds
check auto_takes_nobody_elses_kdamond fails_with 'another user has DAMON' timeout 5 tier-hint auto
check anothers_kdamond_is_still_there is 1 kdamonds
echo 0 >/sys/kernel/mm/damon/admin/kdamonds/nr_kdamonds
check no_kernel_complaint kernel_is_sound
