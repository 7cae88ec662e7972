//! System calls that no build needs, and that get a stranger's code out of its cell or at the kernel.
//!
//! A deny-list that answers EPERM: an allow-list would break with the next Go. It also closes what Landlock leaves open:
//! the modes and times of files, and on older kernels truncation and signals.

mod calls;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::cell::Inmate;
use calls::{DENIED, FCNTL, NEW_NAMESPACES, OPEN, TOOL_DENIED, TOOL_DENIED_OLD, TOOL_FCNTL, UNKNOWN};

/// Why a filter could not be put in force.
#[derive(Debug, thiserror::Error)]
pub enum NoFilter {
    /// This processor has no filter compiler.
    #[error("seccomp: {0}")]
    Backend(#[from] seccompiler::BackendError),
    /// The kernel refused it.
    #[error("seccomp: {0}")]
    Refused(#[from] seccompiler::Error),
}

type Rules = Vec<(libc::c_long, Vec<SeccompRule>)>;

/// Puts the inmate's filters in force for this thread and all it starts. `no_new_privs` has to be set before.
pub fn restrict(inmate: &Inmate) -> Result<(), NoFilter> {
    let unknown = UNKNOWN.iter().map(|call| (*call, vec![])).collect();
    let programs = [
        filter(denied(inmate)?, libc::EPERM)?.try_into()?,
        filter(unknown, libc::ENOSYS)?.try_into()?,
        no_other_table(),
    ];
    for program in programs
        .iter()
        .filter(|program: &&BpfProgram| !program.is_empty())
    {
        seccompiler::apply_filter(program)?;
    }
    Ok(())
}

fn denied(inmate: &Inmate) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = DENIED.iter().map(|call| (*call, vec![])).collect();
    // Another process's limits; 0 is the caller itself.
    rules.push((libc::SYS_prlimit64, vec![rule(differs_from(0, 0)?)?]));
    rules.push((libc::SYS_socketpair, vec![]));
    let mut clone = NEW_NAMESPACES
        .iter()
        .map(|flag| rule(has_bits(0, *flag, *flag)?))
        .collect::<Result<Vec<_>, _>>()?;
    let mut fcntl = commands(FCNTL)?;
    match inmate {
        Inmate::Tool => {
            fcntl.extend(commands(TOOL_FCNTL)?);
            rules.extend(
                [TOOL_DENIED, TOOL_DENIED_OLD]
                    .concat()
                    .into_iter()
                    .map(|call| (call, vec![])),
            );
            // Threads, but no process: each limit of a process is then one of the whole tool.
            clone.push(rule(has_bits(0, libc::CLONE_THREAD as u64, 0)?)?);
            // The number stays the same over exec, so a runtime may signal its own threads.
            let own = u64::from(std::process::id());
            for call in [libc::SYS_kill, libc::SYS_tgkill] {
                rules.push((call, vec![rule(differs_from(0, own)?)?]));
            }
            for (call, flags) in OPEN {
                rules.push((*call, truncations(*flags)?));
            }
        }
        // The driver asks the module proxy, over IPv4 or IPv6; nothing else (no netlink, packet, vsock, unix).
        Inmate::Driver { .. } => rules.push((
            libc::SYS_socket,
            vec![SeccompRule::new(vec![
                differs_from(0, libc::AF_INET as u64)?,
                differs_from(0, libc::AF_INET6 as u64)?,
            ])?],
        )),
    }
    rules.push((libc::SYS_clone, clone));
    rules.push((libc::SYS_fcntl, fcntl));
    Ok(rules)
}

/// Each of these as the command of fcntl(2), of which the kernel reads 32 bits.
fn commands(commands: &[u64]) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let is = |command: &u64| SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *command);
    commands.iter().map(|command| rule(is(command)?)).collect()
}

/// O_TRUNC without asking to write empties a file that Landlock only lets be read, before Linux 6.2. Of the four access
/// modes two do not ask: O_RDONLY, and 3, which open(2) has for ioctl alone.
fn truncations(flags: u8) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let (truncate, mode) = (libc::O_TRUNC as u64, libc::O_ACCMODE as u64);
    [libc::O_RDONLY as u64, mode]
        .into_iter()
        .map(|access| rule(has_bits(flags, truncate | mode, truncate | access)?))
        .collect()
}

/// x86-64 has a second table of the same calls, x32, whose numbers start here (arch/x86/include/uapi/asm/unistd.h): with
/// them each rule above could be walked around. Nothing that Go makes uses it.
#[cfg(target_arch = "x86_64")]
fn no_other_table() -> BpfProgram {
    const X32: u32 = 0x4000_0000;
    // linux/bpf_common.h and linux/seccomp.h: load the number; at X32 or above, ENOSYS; else allow.
    let step = |code, jt, k| sock_filter { code, jt, jf: 0, k };
    vec![
        step(0x20, 0, 0),
        step(0x35, 1, X32),
        step(0x06, 0, libc::SECCOMP_RET_ALLOW),
        step(0x06, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn no_other_table() -> BpfProgram {
    BpfProgram::new()
}

fn filter(rules: Rules, errno: libc::c_int) -> Result<SeccompFilter, seccompiler::BackendError> {
    SeccompFilter::new(
        rules.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno as u32),
        TargetArch::try_from(std::env::consts::ARCH)?,
    )
}

fn rule(condition: SeccompCondition) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![condition])
}

/// The argument's bits under `mask` are these.
fn has_bits(argument: u8, mask: u64, bits: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(mask),
        bits,
    )
}

fn differs_from(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}
