#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# /init of a lab's host (L1): bring it up with its memory tiers online, run /lab/command, hand back /out and
# the command's exit code, switch off. The kernel's console is ttyS0; the command's output goes out by one
# virtio-serial port, the results by another (lab/run gives them these names).

export PATH=/lab/bin:/usr/local/bin:/bin:/sbin HOME=/root TERM=linux

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs trace /sys/kernel/tracing
mkdir -p /dev/shm /var/tmp /var/lib /run
mount -t tmpfs shm /dev/shm
ip link set lo up 2>/dev/null
ulimit -l unlimited
ulimit -c 0

while read -r module; do
    insmod "$module" || echo "lab: cannot load $module"
done </lab/modules

# port NAME: the device file of the virtio-serial port of that name.
port() {
    local dir
    for dir in /sys/class/virtio-ports/*; do
        [ "$(cat "$dir/name")" = "$1" ] && echo "/dev/${dir##*/}"
    done
}

# quiet: what else the kernel would do with the memory under test is off; a script that wants it switches it
# on again.
quiet() {
    local damon_stat=/sys/module/damon_stat/parameters/enabled
    [ ! -e $damon_stat ] || echo N >$damon_stat
    echo 0 >/proc/sys/kernel/numa_balancing
    echo 0 >/sys/kernel/mm/numa/demotion_enabled
}

# clock_is_right: the kernel measures its clock twice, and tells of the second time only when both agree. Where this
# machine was too busy for the first, L1's seconds would be of another length than ours, and nothing would come in time.
clock_is_right() {
    local tries=100
    until dmesg | grep -q 'Refined TSC clocksource calibration'; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        usleep 100000
    done
}

if ! clock_is_right; then
    echo "lab: wrong clock: $(dmesg | grep -o 'tsc: Detected.*')"
    poweroff -f
fi
output=$(port lab.output)
results=$(port lab.results)
if [ -z "$output" ] || [ -z "$results" ]; then
    echo "lab: error: L1 has no virtio-serial ports: does this kernel have virtio_console?"
    poweroff -f
fi

(
    cd /lab || exit 125
    . /lab/lib/tiers.sh
    tiers_online || exit 125
    quiet
    exec /lab/command
) >"$output" 2>&1 </dev/null
status=$?

mkdir -p /run/results/out
echo "$status" >/run/results/status
mount -o bind /out /run/results/out
tar -c -C /run/results -f "$results" status out || echo "lab: error: could not hand back /out"
sync
poweroff -f
