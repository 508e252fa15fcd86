# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# Sourced by scripts in L1: start the workload guest under KVM and follow what it says.

. /lab/lib/tiers.sh

fail() { echo "error: $*"; exit 1; }

uptime_s() { cut -d ' ' -f 1 /proc/uptime; }

# guest_start NAME WORKLOAD [QEMU_ARG...]: start the guest NAME with that command line. WORKLOAD is what
# lab/README.md documents. Memory is a memfd of GUEST_MEMORY (36M) unless the arguments name another backend
# by 'memory-backend='. Leaves /run/NAME.serial (its lines), /run/NAME.pid, the QMP socket /run/NAME.qmp,
# and /run/NAME.counts when it ends with report=1.
guest_start() {
    local name=$1 workload=$2 size=${GUEST_MEMORY:-36M}
    shift 2
    case "$*" in
        *memory-backend=*) ;;
        *) set -- -object "memory-backend-memfd,id=ram,size=$size,share=on" -machine memory-backend=ram "$@" ;;
    esac
    rm -f "/run/$name.serial" "/run/$name.qmp"
    : >"/run/$name.serial"
    qemu-system-x86_64 -name "guest=$name" -accel kvm -cpu host -M q35,hpet=off,smm=off -smp 1 -m "$size" \
        -nodefaults -display none -no-reboot -device isa-debug-exit -debugcon "file:/run/$name.counts" \
        -chardev "file,id=serial,path=/run/$name.serial" -serial chardev:serial \
        -qmp "unix:/run/$name.qmp,server=on,wait=off" -kernel /lab/bin/workload.elf -append "$workload" "$@" \
        >"/run/$name.log" 2>&1 </dev/null &
    echo $! >"/run/$name.pid"
}

guest_pid() { cat "/run/$1.pid"; }

# guest_wait NAME PATTERN [SECONDS]: until a line of the guest's matches; fails with the reason when it ends
# or takes longer.
guest_wait() {
    local tries=$((${3:-30} * 10))
    until grep -q "$2" "/run/$1.serial" 2>/dev/null; do
        if ! kill -0 "$(guest_pid "$1")" 2>/dev/null; then
            grep -q "$2" "/run/$1.serial" && return
            fail "guest $1 ended before it said '$2': $(tail -n 3 "/run/$1.log" "/run/$1.serial")"
        fi
        tries=$((tries - 1))
        [ $tries -gt 0 ] ||
            fail "guest $1 did not say '$2' within ${3:-30} s; it said: $(tail -n 3 "/run/$1.serial")"
        usleep 100000
    done
}

# guest_stop NAME: end it at once.
guest_stop() {
    kill -9 "$(guest_pid "$1")" 2>/dev/null
    wait "$(guest_pid "$1")" 2>/dev/null
}

# guest_rate NAME SECONDS: its accesses per second over that time from now.
guest_rate() {
    local before
    before=$(grep -c '^t=' "/run/$1.serial")
    sleep "$2"
    usleep 300000
    grep '^t=' "/run/$1.serial" | tail -n +$((before + 2)) | sed 's/.*accesses_per_s=\([0-9]*\).*/\1/' |
        awk '{ sum += $1 } END { printf "%d\n", NR ? sum / NR : 0 }'
}

# guest_ram NAME: start address and length in bytes of its RAM in QEMU, decimal: the mapping of the memory
# backend's memfd.
guest_ram() {
    awk '$6 ~ /memfd:/ { print $1 }' "/proc/$(guest_pid "$1")/maps" | {
        IFS=- read -r start end
        echo $((0x$start)) $((0x$end - 0x$start))
    }
}

# guest_nodes NAME: how its RAM lies, as numa_maps tells it: 'N0=pages N1=pages'.
guest_nodes() {
    grep 'memfd:' "/proc/$(guest_pid "$1")/numa_maps" | tr ' ' '\n' |
        awk -F = '/^N[0-9]+=/ { n[$1] += $2 } END { for (i in n) printf "%s=%d ", i, n[i]; print "" }'
}
