# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# What the scripts in the guest share. Descriptor 3 is the serial port to the host.

DRIVER=/sys/bus/virtio/drivers/virtio_tier
PAGE=0x8000000          # physical: somewhere in the guest's RAM
tests=0

# ok|not_ok NAME
ok()     { tests=$((tests + 1)); echo "ok $tests - $1"; }
not_ok() { tests=$((tests + 1)); echo "not ok $tests - $1"; tail -n 12 /tmp/said | sed 's/^/# /'; }

# check NAME COMMAND...: it succeeds; what it says is shown where it does not.
check() {
    local name=$1
    shift
    if "$@" >/tmp/said 2>&1; then ok "$name"; else not_ok "$name"; fi
}

# host WORD...: ask the host (see boot); prints the answer.
host() {
    local answer
    echo "host $*" >&3
    read -r answer <&3
    echo "$answer"
}

# until_so SECONDS COMMAND...: wait until it succeeds.
until_so() {
    local tries=$(($1 * 10))
    shift
    until "$@" >/tmp/tried 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { cat /tmp/tried; echo "still not so: $*"; return 1; }
        usleep 100000
    done
}

# is WANTED COMMAND...: the command prints just that.
is() {
    local wanted=$1 got
    shift
    got=$("$@")
    [ "$got" = "$wanted" ] || { echo "'$*' says '$got', not '$wanted'"; return 1; }
}

# says PATTERN COMMAND...: what the command prints has that in it.
says() {
    local pattern=$1 said
    shift
    said=$("$@" 2>&1)
    echo "$said" | grep -q "$pattern" || { echo "'$*' says: $said"; return 1; }
}

# fails_with PATTERN COMMAND...: the command fails, and says so.
fails_with() {
    local pattern=$1 said
    shift
    said=$("$@" 2>&1) && { echo "'$*' succeeded: $said"; return 1; }
    echo "$said" | grep -q "$pattern" || { echo "'$*' says: $said"; return 1; }
}

not()      { ! "$@"; }
show()     { cat "$DRIVER"/virtio*/"$1"; }
more_than() { [ "$(show "$2")" -gt "$1" ]; }
at_least() { [ "$2" -ge "$1" ] || { echo "$2 is less than $1"; return 1; }; }
at_most()  { [ "$2" -le "$1" ] || { echo "$2 is more than $1"; return 1; }; }
# The module comes in and finds its device, or there is nothing to test.
load() {
    insmod /test/virtio_tier.ko && until_so 5 loaded && return
    echo "Bail out! the driver did not find its device"
    exit 1
}
loaded()   { [ -c /dev/virtio-tier ]; }

# suspend_and_resume: as far as the devices; the machine itself stays up.
suspend_and_resume() { echo devices >/sys/power/pm_test && echo freeze >/sys/power/state; }
gone()     { [ ! -e /dev/virtio-tier ]; }

# callers N [DEVICE]: so many that ask again and again until they are told that there is no device.
callers() {
    local i device=${2:-/dev/virtio-tier}
    for i in $(seq "$1"); do
        (while [ -c "$device" ]; do tier-hint --device "$device" hot phys $PAGE 4096; done >/dev/null 2>&1) &
    done
}

kernel_hint() { insmod /test/tier_hint_test.ko what="$1" && rmmod tier_hint_test; }

# Nothing in the kernel's log that should not be there.
kernel_is_sound() {
    ! dmesg | grep -E -A 20 'WARNING:|BUG|Oops|general protection|refcount_t|use-after|Poison|Redzone|hung_task|blocked for more|stall|sleeping function|list_(add|del) corruption'
}
