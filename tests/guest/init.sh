#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# /init of a guest that tests the driver: run /lab/command with its output, and its requests to the host, on the second serial port
# (see boot; it stays open while devices are suspended, which a virtio-serial port does not), then switch off. The kernel's messages
# go to the first.

export PATH=/test:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t tracefs trace /sys/kernel/tracing
while read -r module; do
    insmod "$module"
done </lab/modules
stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
/lab/command >&3 2>&3 </dev/null
echo "end of tests" >&3
sleep 0.3
poweroff -f
