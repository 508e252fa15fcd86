/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up what the daemon does not need: privileges, capabilities, system calls.
 *
 * The filter of system calls names those that are forbidden, not those that are allowed: GLib, libc and
 * the sanitizers choose their calls as they like, differently in each release, and a daemon that dies of
 * a new one in an update helps nobody. What is forbidden is what would serve somebody who has taken the
 * daemon over: running programs, looking into other processes' memory (which the daemon itself never
 * does), changing mounts, namespaces, modules, the kernel. A forbidden call fails with EPERM.
 */
#include "sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "sources/damon-admin.h"

typedef struct Need {
    const char *name, *purpose;
    int capability;
    PolicySource source;            /* needed for this source only; POLICY_SOURCE__MAX: always */
    bool (*only_if)(const Facts *facts);          /* and only then; NULL: always */
} Need;

/* Whether DAMON can monitor nothing but physical memory here. */
static bool damon_is_physical(const Facts *facts)
{
    return damon_admin_needs_pagemaps(facts->config->damon_ops);
}

static const Need needs[] = {
    {"CAP_SYS_NICE", "moving pages of other processes (move_pages, process_madvise)", CAP_SYS_NICE,
     POLICY_SOURCE__MAX, NULL},
    {"CAP_SYS_PTRACE", "the same, and reading /proc/PID/maps to verify regions", CAP_SYS_PTRACE,
     POLICY_SOURCE__MAX, NULL},
    {"CAP_CHOWN", "giving VM sockets to their QEMU's user", CAP_CHOWN, POLICY_SOURCE__MAX, NULL},
    {"CAP_PERFMON", "counting guests' cache misses", CAP_PERFMON, POLICY_SOURCE__MAX, NULL},
    {"CAP_SYS_ADMIN", "seeing where guests' pages lie, as DAMON monitors nothing but physical memory here",
     CAP_SYS_ADMIN, POLICY_SOURCE_DAMON, damon_is_physical},
    {"CAP_DAC_READ_SEARCH", "the same, for guests that are not root's", CAP_DAC_READ_SEARCH,
     POLICY_SOURCE_DAMON, damon_is_physical},
    {"CAP_SYS_ADMIN", "seeing where guests' pages lie, as hotness units count by physical address", CAP_SYS_ADMIN,
     POLICY_SOURCE_CHMU, NULL},
    {"CAP_DAC_READ_SEARCH", "the same, for guests that are not root's", CAP_DAC_READ_SEARCH, POLICY_SOURCE_CHMU,
     NULL},
};

static const int forbidden[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(bpf),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(personality),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
};

static bool source_usable(const Facts *facts, PolicySource id)
{
    for (size_t i = 0; i < facts->n_sources; i++) {
        if (facts->sources[i].class->id == id && facts->sources[i].usable) {
            return true;
        }
    }
    return false;
}

char *sandbox_cannot_move(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        if ((needs[i].capability == CAP_SYS_NICE || needs[i].capability == CAP_SYS_PTRACE) &&
            !capng_have_capability(CAPNG_EFFECTIVE, (unsigned)needs[i].capability)) {
            return g_strdup_printf(
                "the daemon lacks %s, so it only observes; run it as root or from its systemd unit",
                needs[i].name);
        }
    }
    return NULL;
}

static bool drop_capabilities(const Facts *facts, GError **errp)
{
    bool keep[G_N_ELEMENTS(needs)];
    int rc;

    if (capng_get_caps_process() < 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED, "cannot read this process's capabilities");
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        keep[i] = capng_have_capability(CAPNG_PERMITTED, (unsigned)needs[i].capability) &&
                  (needs[i].source == POLICY_SOURCE__MAX || source_usable(facts, needs[i].source)) &&
                  (!needs[i].only_if || needs[i].only_if(facts));
    }
    const bool bounding = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);

    capng_clear(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        if (keep[i]) {
            capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, (unsigned)needs[i].capability);
            g_log(G_LOG_DOMAIN, needs[i].capability == CAP_SYS_ADMIN ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_INFO,
                  "keeping %s: %s", needs[i].name, needs[i].purpose);
        }
    }
    rc = capng_apply(bounding ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
    if (rc < 0) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                    "cannot give up capabilities (libcap-ng says %d)", rc);
        return false;
    }
    return true;
}

static int filter_build(scmp_filter_ctx filter)
{
    int rc;

    for (size_t i = 0; i < G_N_ELEMENTS(forbidden); i++) {
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0);
        /* A call that this architecture does not have needs no rule. */
        if (rc < 0 && rc != -EDOM && rc != -EINVAL) {
            return rc;
        }
    }
    /* Sockets of other families than Unix: the daemon has no business with any network. */
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                            SCMP_A0(SCMP_CMP_NE, AF_UNIX));
}

static void filter_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = filter ? filter_build(filter) : -ENOMEM;

    if (rc == 0) {
        rc = seccomp_load(filter);
    }
    if (rc < 0) {
        g_warning("system calls are not filtered (seccomp: %s); the daemon runs on without", g_strerror(-rc));
    }
    seccomp_release(filter);
}

bool sandbox_enter(const Facts *facts, GError **errp)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        g_warning("PR_SET_NO_NEW_PRIVS: %s", g_strerror(errno));
    }
    if (!drop_capabilities(facts, errp)) {
        return false;
    }
    filter_calls();
    return true;
}
