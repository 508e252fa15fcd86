# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sockets belong to whom QEMU runs as, and are labelled as its files are.

. "$(dirname "$0")/bed.sh"

host_start alpha
daemon_start alpha

HOOK=/etc/libvirt/hooks/qemu.d/vhost-tier

of_sockets() { on alpha sh -c "stat -c '%u:%g %a' /run/vhost-tier/libvirt/* /run/vhost-tier/libvirt/*/memory.sock" | tr '\n' ' '; }

a_user_of_its_own() {
    define alpha own "<seclabel type='static' model='dac' relabel='yes'><label>+1234:+5678</label></seclabel>"
    on alpha virt-tier enable own
    on alpha virsh -q start own
    await 'the connection' connected alpha own
    [ "$(of_sockets)" = '0:5678 750 1234:5678 660 ' ]
    undefine alpha own
    await 'the end' knows_no alpha own
}

# The XML of a start, as libvirt hands it to the hook where the security driver is there.
label_of_selinux() {
    local said
    tiered alpha web
    on alpha virsh -q start web
    on alpha virsh -q dumpxml web >"$BED/alpha/live.xml"
    undefine alpha web
    await 'the end' knows_no alpha web
    sed -i "s,</domain>,<seclabel type='dynamic' model='selinux' relabel='yes'><label>system_u:system_r:svirt_t:s0:c1\,c2</label>\
<imagelabel>system_u:object_r:svirt_image_t:s0:c1\,c2</imagelabel></seclabel></domain>," "$BED/alpha/live.xml"
    on alpha "$HOOK" web start begin - <"$BED/alpha/live.xml"
    said=$(on alpha /usr/bin/python3 -c 'import glob, os; print(os.getxattr(glob.glob("/run/vhost-tier/libvirt/*")[0], "security.selinux"))')
    says 'svirt_image_t:s0:c1,c2' "$said"
    on alpha "$HOOK" web release end - <"$BED/alpha/live.xml"
    knows_no alpha web
}

a_user_that_there_is_not() {
    sed 's,<label>+64055:+64055,<label>nobody-of-that-name:kvm,; s,<tier:memory,<tier:memory required="yes",' "$BED/alpha/live.xml" \
        >"$BED/alpha/unknown.xml"
    refuses 'is no user and group of this host' on alpha "$HOOK" web start begin - <"$BED/alpha/unknown.xml"
    knows_no alpha web
}

it 'sockets belong to the user that the domain names' a_user_of_its_own
it 'the folder of sockets is labelled for SELinux' label_of_selinux
it 'a user that there is not is told of' a_user_that_there_is_not
told
