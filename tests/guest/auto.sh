#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# 'tier-hint auto' and a program of whose memory one part is hot: what is called hot is held against what is. The bounds leave room for
# DAMON, which draws what it looks at, and for a busy machine; figures are printed.

. /test/lib.sh

LEAST_RIGHT=80          # percent of what is called hot
LEAST_FOUND=70          # percent of what is hot
MOST_CPU=300            # hundredths of a percent of a CPU: auto allows itself 1 %, and a guest without KVM is slow

# cpu_ns PID...: CPU time that they have used.
cpu_ns() {
    local pid
    for pid in "$@"; do
        cat "/proc/$pid/schedstat"
    done | awk '{ s += $1 } END { printf "%.0f\n", s }'
}
kdamond() { cat /sys/kernel/mm/damon/admin/kdamonds/0/pid; }
told_hot() { host told 1; }

# where N: tell the host in which memory the hot part is, after so many jumps.
where() {
    until_so 10 eval '[ "$(wc -l </tmp/where)" -gt '"$1"' ]' || return 1
    host pages >/dev/null
    tail -n 1 /tmp/where | tr ' ' '\n' | while read -r extent; do host pages "$extent" >/dev/null; done
}

# shares_are_good: both, now. shares SECONDS WHAT: within that time.
shares_are_good() {
    local right found
    read -r right found <<E
$(host share)
E
    [ "$right" -ge $LEAST_RIGHT ] && [ "$found" -ge $LEAST_FOUND ]
}
shares() {
    local begin good=1
    begin=$(date +%s)
    until_so "$1" shares_are_good || good=0
    echo "# $2: after $(($(date +%s) - begin)) s, percent of what is called hot that is, and of what is hot that is called so: $(host share)" >&3
    [ $good = 1 ]
}

load
/test/hot-part 192 24 >/tmp/where &
program=$!
check the_program_is_there where 0
tier-hint auto >/tmp/auto 2>&1 &
auto=$!
check what_is_hot_is_called_so shares 60 'hot part found'
check hints_are_not_repeated eval 'before=$(told_hot); sleep 10; at_most $((before + before / 2 + 4)) "$(told_hot)"'
kill -USR1 $program
check it_jumps where 1
check what_is_hot_then_is_called_so shares 60 'after a jump'
before=$(cpu_ns $auto "$(kdamond)")
sleep 10
cost=$((($(cpu_ns $auto "$(kdamond)") - before) / 1000000))
echo "# auto and its kdamond take $cost hundredths of a percent of a CPU" >&3
check it_costs_little at_most $MOST_CPU $cost
kill $program
wait $program 2>/dev/null
check it_goes_on_where_the_program_ends eval 'sleep 6; kill -0 $auto'
host forget >/dev/null
/test/hot-part 128 16 >/tmp/where &
program=$!
check another_program where 0
check is_found shares 60 'another program'
kill $auto $program
check it_ends_well eval 'wait $auto; is 0 echo $?'
check it_said_no_more_than_it_should at_most 2 "$(wc -l </tmp/auto)"
check no_kernel_complaint kernel_is_sound
