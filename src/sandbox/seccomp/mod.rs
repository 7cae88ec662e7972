//! System calls: what `go` is denied, and what a tool is allowed.
//!
//! `go` is trusted, and the next one may need more: a deny-list, which says ENOSYS. A tool runs a stranger's code: an allow-list,
//! with arguments. It also closes what Landlock leaves open: the modes, times and attributes of files, and on older kernels
//! truncation and signals.

mod calls;
mod listener;
mod tool;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use calls::{DENIED, FCNTL, NEW_NAMESPACES};
pub use listener::{Call, Listener};

/// Why a filter could not be put in force.
#[derive(Debug, thiserror::Error)]
pub enum NoFilter {
    /// This processor has no filter compiler.
    #[error("seccomp: {0}")]
    Backend(#[from] BackendError),
    /// The kernel refused it.
    #[error("seccomp: {0}")]
    Refused(#[from] seccompiler::Error),
    /// The kernel refused to hand calls to another process.
    #[error("seccomp: no listener: {0}")]
    NoListener(#[from] nix::Error),
}

type Rules = Vec<(libc::c_long, Vec<SeccompRule>)>;

/// What a call gets that `go` is denied: ENOSYS, as long as no debugger asks for such calls (seccomp(2), SECCOMP_RET_TRACE). Unlike
/// SECCOMP_RET_ERRNO this gives way to what a tool's filter does with the same call.
const DENY: SeccompAction = SeccompAction::Trace(0);

/// Puts the driver's filter in force for this thread and all it starts. `no_new_privs` has to be set before.
pub fn restrict_driver() -> Result<(), NoFilter> {
    seccompiler::apply_filter(&program(denied()?, SeccompAction::Allow, DENY)?)?;
    let no_other_table = no_other_table();
    if !no_other_table.is_empty() {
        seccompiler::apply_filter(&no_other_table)?;
    }
    Ok(())
}

/// Puts a tool's filter in force. A call that is not allowed, and each that starts a thread or a program, stops until the owner of the listener
/// decides; without an owner it fails with ENOSYS.
pub fn restrict_tool() -> Result<Listener, NoFilter> {
    fail()?;
    let program = program(tool::allowed()?, SeccompAction::Trap, SeccompAction::Allow)?;
    let listens = |mut step: sock_filter| {
        // seccompiler has no name for this action.
        if step.code == RETURN && step.k == libc::SECCOMP_RET_TRAP {
            step.k = libc::SECCOMP_RET_USER_NOTIF;
        }
        step
    };
    Ok(Listener::open(&program.into_iter().map(listens).collect())?)
}

/// The same where no process can listen (before Linux 5.7, and where another sandbox around this one does): threads are not
/// counted, and `unlisted` is what becomes of other calls.
pub fn restrict_tool_alone(unlisted: SeccompAction) -> Result<(), NoFilter> {
    fail()?;
    let rules = [tool::allowed()?, tool::starts()?].concat();
    Ok(seccompiler::apply_filter(&program(
        rules,
        unlisted,
        SeccompAction::Allow,
    )?)?)
}

/// What a tool does without. Put in force first, as the other filter allows no more of them; of two answers the kernel takes the
/// error.
fn fail() -> Result<(), NoFilter> {
    for (calls, errno) in [(tool::FAILING, libc::EPERM), (tool::UNKNOWN, libc::ENOSYS)] {
        let rules = calls.iter().map(|call| (*call, vec![])).collect();
        let action = SeccompAction::Errno(errno as u32);
        seccompiler::apply_filter(&program(rules, SeccompAction::Allow, action)?)?;
    }
    Ok(())
}

fn denied() -> Result<Rules, BackendError> {
    let mut rules: Rules = DENIED.iter().map(|call| (*call, vec![])).collect();
    // Another process's limits; 0 is the caller itself.
    rules.push((libc::SYS_prlimit64, vec![only([differs_from(0, 0)?])?]));
    rules.push((libc::SYS_socketpair, vec![]));
    let namespace = |flag: &u64| {
        let has = SeccompCmpOp::MaskedEq(*flag);
        only([condition(0, word(), has, *flag)?])
    };
    rules.push((
        libc::SYS_clone,
        NEW_NAMESPACES.iter().map(namespace).collect::<Result<_, _>>()?,
    ));
    let command = |command: &u64| only([condition(1, int(), SeccompCmpOp::Eq, *command)?]);
    rules.push((
        libc::SYS_fcntl,
        FCNTL.iter().map(command).collect::<Result<_, _>>()?,
    ));
    rules.extend(network()?);
    Ok(rules)
}

/// The driver asks the module proxy by TCP, and names by UDP, over IPv4 or IPv6. Landlock confines TCP alone: not MPTCP or SCTP,
/// not another protocol that takes over a TCP socket (TCP_ULP), and not a connection that begins by sending (RFC 7413).
fn network() -> Result<Rules, BackendError> {
    let is_none_of = |argument, values: &[i32]| {
        let differs = values.iter().map(|value| differs_from(argument, *value as u64));
        SeccompRule::new(differs.collect::<Result<_, _>>()?)
    };
    let mut socket = vec![
        is_none_of(0, &[libc::AF_INET, libc::AF_INET6])?,
        is_none_of(2, &[0, libc::IPPROTO_TCP, libc::IPPROTO_UDP])?,
    ];
    // The other bits are flags (linux/net.h).
    const TYPE: i32 = 0xf;
    for other in (0..=TYPE).filter(|kind| ![libc::SOCK_STREAM, libc::SOCK_DGRAM].contains(kind)) {
        socket.push(only([bits(1, int(), TYPE, other)?])?);
    }
    let sends = |flags| {
        let fast_open = bits(flags, int(), libc::MSG_FASTOPEN, libc::MSG_FASTOPEN)?;
        Ok::<_, BackendError>(vec![only([fast_open])?])
    };
    // What Go and ureq set.
    let options = [
        libc::TCP_NODELAY,
        libc::TCP_KEEPIDLE,
        libc::TCP_KEEPINTVL,
        libc::TCP_KEEPCNT,
        libc::TCP_USER_TIMEOUT,
    ];
    let mut option = vec![condition(1, int(), SeccompCmpOp::Eq, libc::IPPROTO_TCP as u64)?];
    for known in options {
        option.push(differs_from(2, known as u64)?);
    }
    Ok(vec![
        (libc::SYS_socket, socket),
        (libc::SYS_sendto, sends(3)?),
        (libc::SYS_sendmsg, sends(2)?),
        (libc::SYS_sendmmsg, sends(3)?),
        (libc::SYS_setsockopt, vec![SeccompRule::new(option)?]),
    ])
}

/// x86-64 has a second table of the same calls, x32, whose numbers start here (arch/x86/include/uapi/asm/unistd.h): with
/// them each denial could be walked around. Nothing that Go makes uses it.
#[cfg(target_arch = "x86_64")]
fn no_other_table() -> BpfProgram {
    const X32: u32 = 0x4000_0000;
    // linux/bpf_common.h and linux/seccomp.h: load the number; at X32 or above, deny; else allow.
    let step = |code, jt, k| sock_filter { code, jt, jf: 0, k };
    vec![
        step(0x20, 0, 0),
        step(0x35, 1, X32),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, DENY.into()),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn no_other_table() -> BpfProgram {
    BpfProgram::new()
}

/// BPF_RET | BPF_K (linux/bpf_common.h).
const RETURN: u16 = 0x06;

fn program(rules: Rules, unlisted: SeccompAction, listed: SeccompAction) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules.into_iter().collect(), unlisted, listed, arch)?.try_into()
}

fn only<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

fn condition(
    argument: u8,
    length: SeccompCmpArgLen,
    compare: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, length, compare, value)
}

/// An argument of which the kernel reads 32 bits.
fn int() -> SeccompCmpArgLen {
    SeccompCmpArgLen::Dword
}

/// One that it reads whole.
fn word() -> SeccompCmpArgLen {
    SeccompCmpArgLen::Qword
}

/// The argument's bits under `mask` are these.
fn bits(
    argument: u8,
    length: SeccompCmpArgLen,
    mask: i32,
    bits: i32,
) -> Result<SeccompCondition, BackendError> {
    let unsigned = |bits: i32| u64::from(bits as u32);
    condition(
        argument,
        length,
        SeccompCmpOp::MaskedEq(unsigned(mask)),
        unsigned(bits),
    )
}

fn differs_from(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    condition(argument, int(), SeccompCmpOp::Ne, value)
}
