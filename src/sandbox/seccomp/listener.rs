//! System calls that a seccomp filter passes to a supervisor process for a decision (seccomp_unotify(2)).

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use nix::libc;
use nix::unistd::Pid;
use seccompiler::BpfProgram;

use super::tool;

/// The file descriptor that receives the calls of one filter. After it is closed, these calls fail with ENOSYS.
pub struct NotifyListener(OwnedFd);

/// A system call that waits for a decision. Other threads of the caller can change memory that its arguments point to, but not the
/// arguments.
pub struct Call(libc::seccomp_notif);

impl NotifyListener {
    /// Installs a filter for this process, which must have one thread.
    pub(super) fn open(program: &BpfProgram) -> nix::Result<NotifyListener> {
        // The last flag requires Linux 5.7. SECCOMP_USER_NOTIF_FLAG_CONTINUE requires 5.5, so it is available. Older kernels
        // return EINVAL.
        const FLAGS: libc::c_ulong = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
            | libc::SECCOMP_FILTER_FLAG_TSYNC
            | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
        let program = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_ptr().cast_mut().cast(),
        };
        // SAFETY: the kernel reads `len` instructions from `filter`, which is borrowed until the call returns, and does not write
        // to it. The instructions of seccompiler and of libc are the same struct of linux/filter.h.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                FLAGS,
                &raw const program,
            )
        };
        let fd = nix::Error::result(fd)?;
        // SAFETY: the kernel created this descriptor for this call, so no other value owns it.
        Ok(NotifyListener(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// Takes over a listener from another process with the same descriptor table.
    ///
    /// # Safety
    ///
    /// `fd` must come from [`Self::into_raw`], and may be used only once.
    pub unsafe fn from_raw(fd: RawFd) -> NotifyListener {
        // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (linux/seccomp.h): the supervisor is woken up on the caller's CPU.
        const SYNC_WAKE_UP: libc::c_ulong = 1;
        // SAFETY: this ioctl takes an integer and accesses no memory of this process. Before Linux 6.6 it fails, and calls are
        // slower.
        unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, SYNC_WAKE_UP) };
        // SAFETY: guaranteed by the caller.
        NotifyListener(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Returns the descriptor number, for a process that takes it over.
    pub fn into_raw(self) -> RawFd {
        self.0.into_raw_fd()
    }

    /// Receives the next call. Blocks unless poll(2) reported one.
    pub fn receive(&self) -> nix::Result<Call> {
        // SAFETY: the struct contains only integers, for which zero is a valid value. The kernel requires zeros.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one struct of this type to `call`, which lives until the ioctl returns.
        let done = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV as _,
                &raw mut call,
            )
        };
        nix::Error::result(done).map(|_| Call(call))
    }

    /// Allows a call. The kernel then executes it.
    pub fn allow(&self, call: &Call) -> nix::Result<()> {
        let mut response = libc::seccomp_notif_resp {
            id: call.0.id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the kernel reads one struct of this type from `response`, which lives until the ioctl returns.
        let done = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND as _,
                &raw mut response,
            )
        };
        nix::Error::result(done).map(drop)
    }
}

impl AsFd for NotifyListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Call {
    /// Whether the main thread of `process` makes this call to execute a program. Other threads may not: the program would lose
    /// PR_SET_PDEATHSIG, which kills it when its parent ends.
    pub fn starts_program(&self, process: Pid) -> bool {
        i64::from(self.0.data.nr) == libc::SYS_execve && i64::from(self.0.pid) == i64::from(process.as_raw())
    }

    /// Whether this call starts a thread. The number is unambiguous, since the filter rejects calls of other architectures.
    pub fn starts_thread(&self) -> bool {
        i64::from(self.0.data.nr) == libc::SYS_clone && tool::is_thread(self.0.data.args[0])
    }
}

/// Formats the call like strace, with pointers as numbers: `mmap(0x0, 0x1000, 0x3, 0x21, 0xffffffffffffffff, 0x0)`.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.data.nr;
        match syscalls::Sysno::new(number as usize) {
            Some(call) => f.write_str(call.name())?,
            None => write!(f, "system call {number}")?,
        }
        let arguments = self.0.data.args.map(|argument| format!("{argument:#x}"));
        write!(f, "({})", arguments.join(", "))
    }
}
