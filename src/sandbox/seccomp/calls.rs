//! System calls that the filter of `go` denies, grouped by purpose.

use nix::libc::{self, c_long};

/// Denied with any arguments.
pub(super) const DENIED: &[c_long] = &[
    // Memory, descriptors and CPU time of other processes. The kernel only requires the same user.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_setpriority,
    libc::SYS_ioprio_set,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    // Memory and messages that outlive a process and that resource limits do not count.
    libc::SYS_shmget,
    libc::SYS_semget,
    libc::SYS_msgget,
    libc::SYS_mq_open,
    // Observing file accesses of other processes.
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    // Large, new or privileged kernel interfaces.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    // libc has no constant for arm64 with musl.
    syscalls::Sysno::kexec_file_load as c_long,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_personality,
    // Leaving the process group, which is killed at the end.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // Callers fall back to the older call. A filter can check its flags.
    libc::SYS_clone3,
    libc::SYS_openat2,
];

/// Constants that libc does not define (asm-generic/fcntl.h).
const F_SETOWN_EX: u64 = 15;
const F_SETSIG: u64 = 10;

/// Denied commands of fcntl(2): signals to any process (F_SETOWN, F_SETOWN_EX, F_SETSIG), which Landlock denies from Linux 6.12;
/// leases, which delay other processes that open the file; notifications of accesses to a directory.
pub(super) const FCNTL: &[u64] = &[
    libc::F_SETOWN as u64,
    F_SETOWN_EX,
    F_SETSIG,
    libc::F_SETLEASE as u64,
    libc::F_NOTIFY as u64,
];

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. In clone(2), the bit of NEWTIME is part of the exit signal.
pub(super) const NEW_NAMESPACES: [u64; 7] = [
    0x0002_0000,
    0x0200_0000,
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
];
