//! The allowed system calls of compile, asm and link, with the arguments that they use.
//!
//! Sources: strace of builds with Go 1.21 to 1.27, and the source code of Go's runtime and of the three tools for rare cases:
//! signals, crashes, threads that end, a clock without vDSO.

use nix::libc::{self, c_long};
use seccompiler::{BackendError, SeccompCmpOp};

use super::{Rules, bits, condition, int, only, word};

/// Allowed with any arguments. Calls on files are here only if they use descriptors, or do not change a file by its path:
/// Landlock restricts which files can be opened.
const ANY: &[c_long] = &[
    // Files and directories.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_ftruncate,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    // The network poller of the runtime. Go 1.22 uses the pipe.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    // gox-server redirects the tool's output after the filter is installed and before exec.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    libc::SYS_dup3,
    // Memory. gox-server needs `brk` before exec; RLIMIT_DATA counts it.
    libc::SYS_munmap,
    libc::SYS_brk,
    // Its own threads, signals, time and limits.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getrlimit,
    libc::SYS_sched_yield,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
];

/// Calls that fail with EPERM. Tools continue after that error.
/// - unlinkat: GOX_WORK_BYTES does not count an open file without a name. Tools remove only their output, before writing it and
///   after an error.
/// - mprotect: RLIMIT_DATA does not count memory that is read-only. The runtime protects only memory that it has freed.
/// - mkdirat: the linker creates a directory for an external linker, and reports the error.
pub(super) const FAILING: &[c_long] = &[libc::SYS_unlinkat, libc::SYS_mprotect, libc::SYS_mkdirat];

/// Calls that fail with ENOSYS. Callers fall back to clone(2). A filter can check its flags.
pub(super) const UNKNOWN: &[c_long] = &[libc::SYS_clone3];

/// The flags of clone(2) with which the runtime starts a thread (os_linux.go, `cloneFlags`).
const THREAD: u64 = (libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_SYSVSEM
    | libc::CLONE_THREAD) as u64;

/// These flags, and on amd64 also CLONE_SETTLS, which sets the register of thread-local storage.
const THREADS: [u64; 2] = [THREAD, THREAD | libc::CLONE_SETTLS as u64];

/// The allowed flags of open(2). Not allowed: files without a name (O_TMPFILE), signals (O_ASYNC), rights of the owner (O_NOATIME),
/// descriptors without access (O_PATH).
const OPEN: i32 = libc::O_CREAT
    | libc::O_EXCL
    | libc::O_TRUNC
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_CLOEXEC
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | LARGE_FILE;

/// The kernel's value of O_LARGEFILE, which libc defines as 0 (asm-generic/fcntl.h, asm/fcntl.h).
const LARGE_FILE: i32 = if cfg!(target_arch = "aarch64") {
    0o400_000
} else {
    0o100_000
};

/// Not in every libc (asm-generic/mman-common.h).
const MADV_COLLAPSE: i32 = 25;

/// PR_SET_VMA (linux/prctl.h). Its command 0 names memory.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Whether clone(2) with these flags starts a thread as the runtime does.
pub(super) fn is_thread(flags: u64) -> bool {
    THREADS.contains(&flags)
}

/// The calls that start a thread or execute the tool. A filter without a listener allows them.
pub(super) fn start_rules() -> Result<Rules, BackendError> {
    let flags = THREADS.map(|flags| only([condition(0, word(), SeccompCmpOp::Eq, flags)?]));
    Ok(vec![
        (libc::SYS_clone, flags.into_iter().collect::<Result<_, _>>()?),
        (libc::SYS_execve, vec![]),
    ])
}

/// All allowed calls except those of [`start_rules`].
pub(super) fn allowed_rules() -> Result<Rules, BackendError> {
    let any = [ANY, FAILING, UNKNOWN].concat();
    let mut rules: Rules = any.into_iter().map(|call| (call, vec![])).collect();
    // The filter belongs to this process. Its ID stays the same after exec.
    let own = u64::from(std::process::id());
    let is = |argument, value: u64| condition(argument, int(), SeccompCmpOp::Eq, value);
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.push((call, vec![only([is(0, own)?])?]));
    }
    for call in [libc::SYS_prlimit64, libc::SYS_sched_getaffinity] {
        rules.push((call, vec![only([is(0, 0)?])?]));
    }
    // Mode 0: the file's size includes the allocated space.
    rules.push((libc::SYS_fallocate, vec![only([is(1, 0)?])?]));
    rules.push((
        libc::SYS_prctl,
        vec![only([
            is(0, PR_SET_VMA)?,
            condition(1, word(), SeccompCmpOp::Eq, 0)?,
        ])?],
    ));
    #[cfg(target_arch = "x86_64")]
    rules.push((libc::SYS_arch_prctl, vec![only([is(0, ARCH_SET_FS)?])?]));
    let one_of = |argument, values: &[i32]| {
        let rules = values.iter().map(|value| only([is(argument, *value as u64)?]));
        rules.collect::<Result<Vec<_>, _>>()
    };
    let own_futexes = [libc::FUTEX_WAIT, libc::FUTEX_WAKE].map(|of| of | libc::FUTEX_PRIVATE_FLAG);
    rules.push((libc::SYS_futex, one_of(1, &own_futexes)?));
    let advice = [
        libc::MADV_DONTNEED,
        libc::MADV_FREE,
        libc::MADV_HUGEPAGE,
        libc::MADV_NOHUGEPAGE,
        MADV_COLLAPSE,
    ];
    rules.push((libc::SYS_madvise, one_of(2, &advice)?));
    let mut fcntl = one_of(
        1,
        &[libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC],
    )?;
    let denied = libc::O_ASYNC | libc::O_DIRECT | libc::O_NOATIME;
    fcntl.push(only([is(1, libc::F_SETFL as u64)?, bits(2, int(), denied, 0)?])?);
    rules.push((libc::SYS_fcntl, fcntl));
    rules.push((libc::SYS_openat, open_rules()?));
    rules.push((libc::SYS_mmap, mmap_rules()?));
    Ok(rules)
}

/// Rules for open(2). O_TRUNC is allowed only for writing: before Linux 6.2, Landlock does not prevent truncation of a read-only
/// file.
fn open_rules() -> Result<Vec<seccompiler::SeccompRule>, BackendError> {
    let mode = |access, flags: i32| only([bits(2, int(), !flags | libc::O_ACCMODE, access)?]);
    Ok(vec![
        mode(libc::O_RDONLY, OPEN & !libc::O_TRUNC)?,
        mode(libc::O_WRONLY, OPEN)?,
        mode(libc::O_RDWR, OPEN)?,
    ])
}

/// Rules for mmap(2): private memory, which RLIMIT_DATA counts if it is writable, and shared file mappings. No executable memory.
fn mmap_rules() -> Result<Vec<seccompiler::SeccompRule>, BackendError> {
    let memory = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let read_write = libc::PROT_READ | libc::PROT_WRITE;
    let forms = [
        (libc::PROT_NONE, memory),
        (libc::PROT_NONE, memory | libc::MAP_FIXED),
        (read_write, memory),
        (read_write, memory | libc::MAP_FIXED),
        (libc::PROT_READ, libc::MAP_SHARED),
        (read_write, libc::MAP_SHARED),
    ];
    let form = |(protection, flags): (i32, i32)| {
        only([
            condition(2, word(), SeccompCmpOp::Eq, protection as u64)?,
            condition(3, word(), SeccompCmpOp::Eq, flags as u64)?,
        ])
    };
    forms.into_iter().map(form).collect()
}

/// Sets the address of thread-local storage (asm/prctl.h).
#[cfg(target_arch = "x86_64")]
const ARCH_SET_FS: u64 = 0x1002;
