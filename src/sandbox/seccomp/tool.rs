//! The system calls of compile, asm and link, with the arguments that they use. No others are allowed.
//!
//! Found by strace of whole builds with Go 1.21 to 1.27, and in the sources of Go's runtime and of the three tools, for what a
//! build rarely reaches: signals, crashes, threads that end, a clock without vDSO.

use nix::libc::{self, c_long};
use seccompiler::{BackendError, SeccompCmpOp};

use super::{Rules, bits, condition, int, only, word};

/// With any arguments. Files are Landlock's: these calls work on descriptors, or open and change nothing by its name.
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
    // The runtime's poller; the pipe is Go 1.22's.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    // gox-server gives the tool its output between the filter and exec.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    libc::SYS_dup3,
    // Memory. RLIMIT_DATA counts what `brk` adds: gox-server needs it between the filter and exec.
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

/// Answered with EPERM, after which a tool goes on. A file that is unlinked while it is open takes space that GOX_WORK_BYTES
/// does not count (the tools only remove their output before they write it, and after an error); memory that is no longer
/// writable is not counted by RLIMIT_DATA (the runtime only protects memory that it has freed). The linker makes a directory for
/// another linker's input, and says so where it cannot.
pub(super) const FAILING: &[c_long] = &[libc::SYS_unlinkat, libc::SYS_mprotect, libc::SYS_mkdirat];

/// Answered with ENOSYS, after which a caller falls back to clone(2), whose flags a filter can see.
pub(super) const UNKNOWN: &[c_long] = &[libc::SYS_clone3];

/// What the runtime starts a thread with (os_linux.go, `cloneFlags`).
const THREAD: u64 = (libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_SYSVSEM
    | libc::CLONE_THREAD) as u64;

/// The same, and where the thread's own memory is, which is in a register on amd64.
const THREADS: [u64; 2] = [THREAD, THREAD | libc::CLONE_SETTLS as u64];

/// All that open(2) may be asked for: no file without a name (O_TMPFILE), no signals (O_ASYNC), no right of an owner
/// (O_NOATIME), no descriptor that opens nothing (O_PATH).
const OPEN: i32 = libc::O_CREAT
    | libc::O_EXCL
    | libc::O_TRUNC
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_CLOEXEC
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | LARGE_FILE;

/// O_LARGEFILE as the kernel has it, which libc calls 0 (asm-generic/fcntl.h, asm/fcntl.h).
const LARGE_FILE: i32 = if cfg!(target_arch = "aarch64") {
    0o400_000
} else {
    0o100_000
};

/// Which libc does not always have (asm-generic/mman-common.h).
const MADV_COLLAPSE: i32 = 25;

/// PR_SET_VMA (linux/prctl.h), of which 0 names memory.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Whether this clone(2) starts a thread, as the runtime does.
pub(super) fn is_thread(flags: u64) -> bool {
    THREADS.contains(&flags)
}

/// Threads, and the start of the tool itself, for a filter without a listener.
pub(super) fn starts() -> Result<Rules, BackendError> {
    let flags = THREADS.map(|flags| only([condition(0, word(), SeccompCmpOp::Eq, flags)?]));
    Ok(vec![
        (libc::SYS_clone, flags.into_iter().collect::<Result<_, _>>()?),
        (libc::SYS_execve, vec![]),
    ])
}

/// All but these.
pub(super) fn allowed() -> Result<Rules, BackendError> {
    let any = [ANY, FAILING, UNKNOWN].concat();
    let mut rules: Rules = any.into_iter().map(|call| (call, vec![])).collect();
    // The process is this one: exec keeps the number.
    let own = u64::from(std::process::id());
    let is = |argument, value: u64| condition(argument, int(), SeccompCmpOp::Eq, value);
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.push((call, vec![only([is(0, own)?])?]));
    }
    for call in [libc::SYS_prlimit64, libc::SYS_sched_getaffinity] {
        rules.push((call, vec![only([is(0, 0)?])?]));
    }
    // Mode 0 takes space that the file's size shows.
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
    let barred = libc::O_ASYNC | libc::O_DIRECT | libc::O_NOATIME;
    fcntl.push(only([is(1, libc::F_SETFL as u64)?, bits(2, int(), barred, 0)?])?);
    rules.push((libc::SYS_fcntl, fcntl));
    rules.push((libc::SYS_openat, open()?));
    rules.push((libc::SYS_mmap, mmap()?));
    Ok(rules)
}

/// To read; or to write, and only then with O_TRUNC, which empties a file that Landlock only lets be read before Linux 6.2.
fn open() -> Result<Vec<seccompiler::SeccompRule>, BackendError> {
    let asks = |access, flags: i32| only([bits(2, int(), !flags | libc::O_ACCMODE, access)?]);
    Ok(vec![
        asks(libc::O_RDONLY, OPEN & !libc::O_TRUNC)?,
        asks(libc::O_WRONLY, OPEN)?,
        asks(libc::O_RDWR, OPEN)?,
    ])
}

/// Memory that RLIMIT_DATA counts as soon as it can be written, and files. Nothing that can be executed.
fn mmap() -> Result<Vec<seccompiler::SeccompRule>, BackendError> {
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

/// Where a thread's own memory is (asm/prctl.h).
#[cfg(target_arch = "x86_64")]
const ARCH_SET_FS: u64 = 0x1002;
