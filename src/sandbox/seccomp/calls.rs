//! The system calls that `go` is denied. Each stands under what it would be good for.

use nix::libc::{self, c_long};

/// With any arguments.
pub(super) const DENIED: &[c_long] = &[
    // Other processes' memory, descriptors and share of the processor: none of it asks for more than the same user.
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
    // Memory and messages that outlive a process, and that no limit of a process counts.
    libc::SYS_shmget,
    libc::SYS_semget,
    libc::SYS_msgget,
    libc::SYS_mq_open,
    // Who does what with which file.
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    // Large, young or privileged parts of the kernel.
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
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_personality,
    // Nothing leaves the process group, or the kill at the end would miss it.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // Callers fall back to the older call, whose flags a filter can see.
    libc::SYS_clone3,
    libc::SYS_openat2,
];

/// What libc has no name for (asm-generic/fcntl.h).
const F_SETOWN_EX: u64 = 15;
const F_SETSIG: u64 = 10;

/// Commands of fcntl(2): signals to any process (F_SETOWN, F_SETOWN_EX, F_SETSIG), which Landlock sees from Linux
/// 6.12 on; a lease, for which others who open the file wait; news of who does what in a directory.
pub(super) const FCNTL: &[u64] = &[
    libc::F_SETOWN as u64,
    F_SETOWN_EX,
    F_SETSIG,
    libc::F_SETLEASE as u64,
    libc::F_NOTIFY as u64,
];

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. NEWTIME's bit means the exit signal in clone(2).
pub(super) const NEW_NAMESPACES: [u64; 7] = [
    0x0002_0000,
    0x0200_0000,
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
];
