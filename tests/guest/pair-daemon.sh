#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# The driver with two devices and the real daemon: they speak for the same memory, within the same limits.

. /test/lib.sh

FIRST=/dev/virtio-tier
SECOND=/dev/virtio-tier1

tell()   { tier-hint --device "$1" "$2" phys $PAGE 4096; }
both()   { [ -c $FIRST ] && [ -c $SECOND ]; }
pinned() { host daemon query-vm '{"name":"guest"}' | sed -n 's/.*"pinned_bytes": \([0-9]*\).*/\1/p'; }

load
check both_devices_are_there until_so 10 both
check qemu_shows_both is 2 eval 'host qmp query-virtio-tier | grep -o "\"connected\": true" | wc -l'
check the_first_is_heard until_so 15 tell $FIRST hot
check the_second_is_heard tell $SECOND hot
check a_pin_is_taken until_so 15 says '4 KiB taken$' tell $FIRST pin
check it_is_counted until_so 5 is 4096 pinned
check pinned_already_it_counts_once eval "tell $SECOND pin && usleep 1500000 && is 4096 pinned"
check another_device_may_unpin_it tell $SECOND unpin
check it_is_not_pinned_any_more until_so 5 is 0 pinned

# The reset of one ends all pins, and who listens at the other hears of it.
check a_pin_of_the_seconds until_so 15 says '4 KiB taken$' tell $SECOND pin
check it_is_counted_as_well until_so 5 is 4096 pinned
tier-hint --device $SECOND watch >/tmp/events 2>&1 &
watcher=$!
usleep 300000
check unplugging_the_first says return host qmp device_del '{"id":"tier0"}'
check it_goes until_so 15 gone
check no_pin_is_left until_so 5 is 0 pinned
check the_second_tells_of_it until_so 5 grep -q 'pins dropped; bytes still pinned: 0 (started anew)' /tmp/events
kill $watcher
check the_second_works_on until_so 10 tell $SECOND hot
check its_pins_are_taken until_so 15 says '4 KiB taken$' tell $SECOND pin
plug_in() { says return host qmp device_add '{"driver":"vhost-user-tier-pci","id":"tier0","chardev":"hint0","bus":"spare"}'; }
check plugging_in until_so 10 plug_in
check it_comes until_so 15 both
check both_are_heard eval "until_so 15 tell $FIRST hot && until_so 15 tell $SECOND hot"
check unloading eval 'until_so 10 rmmod virtio_tier && gone && ! [ -e $SECOND ]'
check no_kernel_complaint kernel_is_sound
