//! The tables of system calls that are refused. Each stands under what it would be good for.

use nix::libc::{self, c_long};

/// Never, for anybody.
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
];

/// Never, for a tool: it reads files, writes files and starts threads. The driver needs these for its caches and its tools.
pub(super) const TOOL_DENIED: &[c_long] = &[
    libc::SYS_socket,
    // Locks on what all builds share: to read it is enough for one.
    libc::SYS_flock,
    // A file's owner, mode, times and attributes: Landlock has no say in them, and the caches are the same user's.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    // A file's end, by its name: Landlock has no say in it before Linux 6.2.
    libc::SYS_truncate,
    // Signals to others: Landlock has no say in them before Linux 6.12. `kill` and `tgkill` are refused by their argument.
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
    // Files without a name are memory that RLIMIT_DATA does not count.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
];

/// The same by their old names, which newer processors' kernels never had.
#[cfg(target_arch = "x86_64")]
pub(super) const TOOL_DENIED_OLD: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const TOOL_DENIED_OLD: &[c_long] = &[];

/// Calls that open a file by its name, and which argument holds the flags. `creat` always asks to write.
#[cfg(target_arch = "x86_64")]
pub(super) const OPEN: &[(c_long, u8)] = &[(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const OPEN: &[(c_long, u8)] = &[(libc::SYS_openat, 2)];

/// Said not to exist, so that a caller falls back to the older call, whose flags a filter can see.
pub(super) const UNKNOWN: &[c_long] = &[libc::SYS_clone3, libc::SYS_openat2];

/// What libc has no name for (asm-generic/fcntl.h).
const F_SETOWN_EX: u64 = 15;
const F_SETSIG: u64 = 10;

/// What nobody may ask of fcntl(2): signals to whoever is named (F_SETOWN, F_SETOWN_EX, F_SETSIG), which Landlock sees from Linux
/// 6.12 on; a lease, for which others who open the file wait; news of who does what in a directory.
pub(super) const FCNTL: &[u64] = &[
    libc::F_SETOWN as u64,
    F_SETOWN_EX,
    F_SETSIG,
    libc::F_SETLEASE as u64,
    libc::F_NOTIFY as u64,
];

/// And what no tool may: locks, as flock(2).
pub(super) const TOOL_FCNTL: &[u64] = &[
    libc::F_SETLK as u64,
    libc::F_SETLKW as u64,
    libc::F_OFD_SETLK as u64,
    libc::F_OFD_SETLKW as u64,
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
