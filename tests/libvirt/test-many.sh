# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Many domains leave nothing behind, and what the hook costs a start.

. "$(dirname "$0")/bed.sh"

MANY=200

host_start alpha
daemon_start alpha

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$(daemon_pid alpha)/status"; }
descriptors() { ls "/proc/$(daemon_pid alpha)/fd" | wc -l; }

# same_as KIB DESCRIPTORS: what the daemon has grown by.
same_as() {
    local rss fds
    rss=$(rss_kib) fds=$(descriptors)
    echo "figure: the daemon has $1 KiB and $2 descriptors before, $rss KiB and $fds after $MANY"
    [ "$fds" -eq "$2" ] && [ "$rss" -le $(($1 + 512)) ]
}

# One shell on the host for all of them, for the sake of time.
defined_enabled_disabled() {
    local rss fds
    domain NAME >"$BED/alpha/template.xml"
    rss=$(rss_kib) fds=$(descriptors)
    on alpha bash -e <<SCRIPT
        for ((i = 0; i < $MANY; i++)); do
            sed "s/NAME/many\$i/" "$BED/alpha/template.xml" >"$BED/alpha/one.xml"
            virsh -q define "$BED/alpha/one.xml"
            virsh -q dumpxml "many\$i" >"$BED/alpha/before.xml"
            virt-tier enable "many\$i" --fast-max 25%
            virt-tier disable "many\$i"
            virsh -q dumpxml "many\$i" | cmp - "$BED/alpha/before.xml"
        done
        [ "\$(virsh -q list --all --name | grep -c many)" -eq $MANY ]
        for ((i = 0; i < $MANY; i++)); do
            virsh -q undefine "many\$i"
        done
SCRIPT
    [ "$(on alpha sh -c 'ls /etc/libvirt/qemu/*.xml 2>/dev/null | wc -l')" -eq 0 ]
    knows_no alpha many0
    same_as "$rss" "$fds"
}

# As libvirt calls it at starts and ends, with the XML that it had at a start.
registered_and_forgotten() {
    local rss fds
    tiered alpha web
    on alpha virsh -q start web
    on alpha virsh -q dumpxml web >"$BED/alpha/live.xml"
    undefine alpha web
    await 'the end' knows_no alpha web
    cat >"$BED/alpha/loop" <<'LOOP'
        for ((i = $1; i < $2; i++)); do
            uuid=$(printf '00000000-0000-0000-0000-%012d' $i)
            sed "s,<uuid>.*</uuid>,<uuid>$uuid</uuid>,; s,<name>web<,<name>web$i<,; s,libvirt/[-0-9a-f]*/,libvirt/$uuid/," "$0" >/run/one.xml
            hook=/etc/libvirt/hooks/qemu.d/vhost-tier
            $hook web$i prepare begin - </run/one.xml
            $hook web$i start begin - </run/one.xml
            [ -S /run/vhost-tier/libvirt/$uuid/memory.sock ]
            $hook web$i release end - </run/one.xml
        done
LOOP
    on alpha bash -e -c "$(cat "$BED/alpha/loop")" "$BED/alpha/live.xml" 0 50
    rss=$(rss_kib) fds=$(descriptors)
    on alpha bash -e -c "$(cat "$BED/alpha/loop")" "$BED/alpha/live.xml" 50 $((50 + MANY))
    knows_no alpha web0
    same_as "$rss" "$fds"
}

# Between the times of one start and another lies much else, so the hook is timed by itself, with the XML of a start: the
# median of some, as the machine may have much else to do.
cost_of_a_start() {
    local us
    us=$(on alpha bash -e -c '
        hook=/etc/libvirt/hooks/qemu.d/vhost-tier
        for ((i = 0; i < 21; i++)); do
            start=${EPOCHREALTIME/[.,]/}
            $hook web prepare begin - <"$0"
            $hook web start begin - <"$0"
            echo $((${EPOCHREALTIME/[.,]/} - start))
            $hook web release end - <"$0"
        done' "$BED/alpha/live.xml" | sort -n | sed -n 11p)
    echo "figure: the hook adds $us us to the start of a tiered domain (prepare and start; median)"
    [ "$us" -lt 50000 ]
    knows_no alpha web
}

it "$MANY domains are defined, enabled and disabled, and leave nothing" defined_enabled_disabled
it "$MANY domains are registered and forgotten, and the daemon does not grow" registered_and_forgotten
it 'the hook costs a start little' cost_of_a_start
told
