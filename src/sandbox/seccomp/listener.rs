//! Calls that a filter hands to another process, which decides them (seccomp_unotify(2)).

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use nix::libc;
use nix::unistd::Pid;
use seccompiler::BpfProgram;

use super::tool;

/// Where the calls of one filter arrive. Once it is closed, they fail with ENOSYS.
pub struct Listener(OwnedFd);

/// A call that waits for a decision. The caller's other threads cannot change its arguments, only what they point to.
pub struct Call(libc::seccomp_notif);

impl Listener {
    /// Puts the filter in force for this process, which has one thread.
    pub(super) fn open(program: &BpfProgram) -> nix::Result<Listener> {
        // Linux 5.7, which has the last flag, can let a call go on (5.5). A kernel that lacks either says EINVAL.
        const FLAGS: libc::c_ulong = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
            | libc::SECCOMP_FILTER_FLAG_TSYNC
            | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
        let program = libc::sock_fprog {
            len: program.len() as u16,
            filter: program.as_ptr().cast_mut().cast(),
        };
        // SAFETY: the kernel reads `len` steps from `filter`, which is borrowed until the call returns, and writes nothing there;
        // seccompiler's steps and libc's are the same struct of linux/filter.h.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                FLAGS,
                &raw const program,
            )
        };
        let fd = nix::Error::result(fd)?;
        // SAFETY: the kernel has just made this descriptor for this call, so no other value owns it.
        Ok(Listener(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// The listener that another thread of control with the same table of descriptors has let go of by [`Self::into_raw`].
    ///
    /// # Safety
    ///
    /// The number has to be one of [`Self::into_raw`], used once.
    pub unsafe fn from_raw(fd: RawFd) -> Listener {
        // The owner runs at once, on the caller's processor: SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (linux/seccomp.h).
        const SYNC_WAKE_UP: libc::c_ulong = 1;
        // SAFETY: this ioctl takes an integer, and touches no memory of ours. Before Linux 6.6 it fails, and calls take longer.
        unsafe { libc::ioctl(fd, libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, SYNC_WAKE_UP) };
        // SAFETY: the caller's promise.
        Listener(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Its number, for another owner.
    pub fn into_raw(self) -> RawFd {
        self.0.into_raw_fd()
    }

    /// The next call. Waits for one, unless it was announced by poll(2).
    pub fn receive(&self) -> nix::Result<Call> {
        // SAFETY: the struct is integers alone, for which zeros are values; the kernel insists on them.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one such struct there, which lives until the call returns.
        let done = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV as _,
                &raw mut call,
            )
        };
        nix::Error::result(done).map(|_| Call(call))
    }

    /// Lets the caller go on.
    pub fn let_go_on(&self, call: &Call) -> nix::Result<()> {
        let mut response = libc::seccomp_notif_resp {
            id: call.0.id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the kernel reads one such struct there, which lives until the call returns.
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

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Call {
    /// Whether the first thread of `process` makes it, to become another program. By another thread the program would lose what kills
    /// it when its parent ends (PR_SET_PDEATHSIG).
    pub fn starts_program(&self, process: Pid) -> bool {
        i64::from(self.0.data.nr) == libc::SYS_execve && i64::from(self.0.pid) == i64::from(process.as_raw())
    }

    /// Whether it starts a thread, and nothing else. The filter lets no call of another architecture get here.
    pub fn starts_thread(&self) -> bool {
        i64::from(self.0.data.nr) == libc::SYS_clone && tool::is_thread(self.0.data.args[0])
    }
}

/// `mmap(0x0, 0x1000, 0x3, 0x21, 0xffffffffffffffff, 0x0)`: pointers stay numbers.
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
