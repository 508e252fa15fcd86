#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# host.sh NAME UUID [ROOT]
#
# Make this process one host of the bed, with a libvirtd of its own: called by bed.sh in mount and UTS namespaces of its
# own. What a host writes lies in BED/NAME and in memory; of the machine's own libvirt, and of its /run, nothing is seen.
# ROOT: the tree that the host lives in, with another libvirt than the machine's. The process then sleeps; who wants to do
# something on the host enters its namespaces.

set -euo pipefail

name=$1 uuid=$2 root=${3-}
here=$BED/$name

hide() { mkdir -p "$root$1"; mount -t tmpfs -o mode=755 bed "$root$1"; }
show() { # FILE-OR-FOLDER PATH: seen at that path
    if [ -d "$1" ]; then mkdir -p "$root$2"; else mkdir -p "$(dirname "$root$2")"; touch "$root$2"; fi
    mount --bind "$1" "$root$2"
}

mount --make-rprivate /
hostname "$name"
mkdir -p "$here/log" "$here/dev"

# A /dev without kvm: where root alone may use that, libvirt looks for it anew, for seconds, at each call.
mount -t tmpfs -o mode=755 dev "$here/dev"
mkdir "$here/dev/pts" "$here/dev/shm"
for node in null zero full random urandom tty ptmx; do
    touch "$here/dev/$node"
    mount --bind "/dev/$node" "$here/dev/$node"
done
mount --bind /dev/pts "$here/dev/pts"
mount -t tmpfs shm "$here/dev/shm"
if [ -n "$root" ]; then
    mount --bind "$root" "$root"
    mkdir -p "$root/proc" "$root/sys" "$root/tmp"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /tmp "$root/tmp"
    mkdir -p "$root/dev"
else
    umount -R -l /dev
fi
mount --move "$here/dev" "$root/dev"

hide /run
mkdir "$root/run/lock"
for dir in etc var/lib var/cache; do
    hide "/$dir/libvirt"
done
show "$here/log" /var/log/libvirt

# The project as 'meson install' installs it, and what guests are started from: where libvirt's user can read it.
for dir in bin sbin share; do
    show "$INSTALLED/usr/local/$dir" "/usr/local/$dir"
done
show "$QEMU" /run/qemu
# Its own, as libvirt gives it to QEMU's user.
install -m 644 "$WORKLOAD" "$root/run/workload.elf"
cp -a "$INSTALLED/etc/libvirt/." "$root/etc/libvirt/"

cat >"$root/etc/libvirt/qemu.conf" <<'CONF'
# The machine's control groups and security modules are not the bed's.
cgroup_controllers = []
security_driver = "none"
# QEMU's output goes to files without the help of virtlogd.
stdio_handler = "file"
CONF
cat >"$root/etc/libvirt/libvirtd.conf" <<CONF
host_uuid = "$uuid"
auth_unix_rw = "none"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
CONF
touch "$here/ready"
exec chroot "${root:-/}" sleep infinity
