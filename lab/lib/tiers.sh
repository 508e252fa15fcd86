# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
#
# Sourced in L1: bring the slow memory online as node 1, whatever it is made of.

# cxl_region: make a region of all of the one CXL memory device's volatile capacity, through sysfs, as 'cxl
# create-region' does; dax_cxl and kmem then make a NUMA node of it.
cxl_region() {
    local d=/sys/bus/cxl/devices endpoint region size tries=0
    until endpoint=$(echo $d/endpoint*/decoder*.0) && [ -e "$endpoint" ] && [ -e $d/mem0/ram/size ]; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ]; then
            echo "lab: error: no CXL memory device came up: see the kernel's messages in the console log"
            return 1
        fi
        usleep 100000
    done
    size=$(cat $d/mem0/ram/size)
    region=$(cat $d/decoder0.0/create_ram_region)
    {
        echo "$region" >$d/decoder0.0/create_ram_region &&
        echo ram >"$endpoint/mode" &&
        echo "$size" >"$endpoint/dpa_size" &&
        echo 256 >"$d/$region/interleave_granularity" &&
        echo 1 >"$d/$region/interleave_ways" &&
        echo "$size" >"$d/$region/size" &&
        echo "${endpoint##*/}" >"$d/$region/target0" &&
        echo 1 >"$d/$region/commit" &&
        echo "$region" >/sys/bus/cxl/drivers/cxl_region/bind
    } || {
        echo "lab: error: the CXL region could not be made: see the kernel's messages in the console log"
        return 1
    }
}

# tiers_online: nodes 0 and 1 with memory, else an error.
tiers_online() {
    local node=/sys/devices/system/node/node1 tries=0
    if [ -e /sys/bus/cxl/devices/decoder0.0 ]; then
        cxl_region || return 1
    fi
    until [ "$(awk '/MemTotal/ { print $4 }' $node/meminfo 2>/dev/null || echo 0)" -gt 0 ]; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ]; then
            echo "lab: error: node 1 has no memory: see the kernel's messages in the console log"
            return 1
        fi
        usleep 100000
    done 2>/dev/null
}

# tiers_show: what there is, for people.
tiers_show() {
    local f
    for f in /sys/devices/virtual/memory_tiering/memory_tier*/nodelist; do
        echo "${f%/nodelist}: nodes $(cat "$f")" | sed 's,.*/,,'
    done
    for f in /sys/devices/system/node/node[0-9]*; do
        echo "${f##*/}: cpus '$(cat "$f/cpulist")'" \
            "$(awk '/MemTotal|MemFree/ { printf "%s %s MiB ", $3, int($4 / 1024) }' "$f/meminfo")"
    done
}
