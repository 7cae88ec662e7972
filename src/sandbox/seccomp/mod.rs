//! System call filters (seccomp): a deny list for `go`, and an allow list for tools.
//!
//! `go` is trusted, and a later version may need more system calls. Denied calls fail with ENOSYS. A tool processes code of
//! module authors, so its filter allows only known calls and arguments. It also denies what Landlock does not cover: changing the
//! mode, times and attributes of files, and on older kernels truncation and signals.

mod calls;
mod listener;
mod tool;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use calls::{DENIED, FCNTL, NEW_NAMESPACES};
pub use listener::{Call, NotifyListener};

/// Why a filter could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// seccompiler does not support this architecture.
    #[error("seccomp: {0}")]
    Backend(#[from] BackendError),
    /// The kernel rejected the filter.
    #[error("seccomp: {0}")]
    Rejected(#[from] seccompiler::Error),
    /// The kernel cannot pass calls to a supervisor.
    #[error("seccomp: no listener: {0}")]
    NoListener(#[from] nix::Error),
}

type Rules = Vec<(libc::c_long, Vec<SeccompRule>)>;

/// The action for calls that `go` is denied. Without a tracer, SECCOMP_RET_TRACE makes the call fail with ENOSYS (seccomp(2)).
/// Its precedence is lower than that of the action of a tool's filter for the same call, unlike that of SECCOMP_RET_ERRNO.
const DENY: SeccompAction = SeccompAction::Trace(0);

/// Installs the driver's filter for this thread and its descendants. `no_new_privs` must be set.
pub fn restrict_driver() -> Result<(), FilterError> {
    seccompiler::apply_filter(&compile(driver_rules()?, SeccompAction::Allow, DENY)?)?;
    let x32_filter = deny_x32();
    if !x32_filter.is_empty() {
        seccompiler::apply_filter(&x32_filter)?;
    }
    Ok(())
}

/// Installs a tool's filter. Calls that are not allowed, and calls that start a thread or a program, wait for the owner of the
/// listener to decide. Without an owner they fail with ENOSYS.
pub fn restrict_tool() -> Result<NotifyListener, FilterError> {
    install_error_filters()?;
    let program = compile(tool::allowed_rules()?, SeccompAction::Trap, SeccompAction::Allow)?;
    let use_listener = |mut step: sock_filter| {
        // seccompiler does not support SECCOMP_RET_USER_NOTIF, so another action stands for it.
        if step.code == RETURN && step.k == libc::SECCOMP_RET_TRAP {
            step.k = libc::SECCOMP_RET_USER_NOTIF;
        }
        step
    };
    Ok(NotifyListener::open(
        &program.into_iter().map(use_listener).collect(),
    )?)
}

/// Installs a tool's filter without a listener, for kernels before Linux 5.7 and inside other sandboxes that use a listener.
/// Threads are not counted. `unlisted` is the action for calls that are not allowed.
pub fn restrict_tool_without_listener(unlisted: SeccompAction) -> Result<(), FilterError> {
    install_error_filters()?;
    let rules = [tool::allowed_rules()?, tool::start_rules()?].concat();
    Ok(seccompiler::apply_filter(&compile(
        rules,
        unlisted,
        SeccompAction::Allow,
    )?)?)
}

/// Installs filters that make some calls of a tool fail with an error. The kernel applies the strictest action of all filters.
/// These come first, since the other filter does not allow installing more.
fn install_error_filters() -> Result<(), FilterError> {
    for (calls, errno) in [(tool::FAILING, libc::EPERM), (tool::UNKNOWN, libc::ENOSYS)] {
        let rules = calls.iter().map(|call| (*call, vec![])).collect();
        let action = SeccompAction::Errno(errno as u32);
        seccompiler::apply_filter(&compile(rules, SeccompAction::Allow, action)?)?;
    }
    Ok(())
}

fn driver_rules() -> Result<Rules, BackendError> {
    let mut rules: Rules = DENIED.iter().map(|call| (*call, vec![])).collect();
    // Limits of other processes. 0 means the caller.
    rules.push((libc::SYS_prlimit64, vec![only([differs_from(0, 0)?])?]));
    // An event loop wakes itself up through a pair of Unix sockets, which reaches no other process.
    rules.push((
        libc::SYS_socketpair,
        vec![only([differs_from(0, libc::AF_UNIX as u64)?])?],
    ));
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
    rules.extend(network_rules()?);
    Ok(rules)
}

/// The driver needs TCP for the module proxy and UDP for name resolution, over IPv4 or IPv6. Landlock restricts only TCP, but not
/// MPTCP, SCTP, other protocols on a TCP socket (TCP_ULP) or TCP Fast Open (RFC 7413).
fn network_rules() -> Result<Rules, BackendError> {
    let differs_from_all = |argument, values: &[i32]| {
        let differs = values.iter().map(|value| differs_from(argument, *value as u64));
        SeccompRule::new(differs.collect::<Result<_, _>>()?)
    };
    let mut socket = vec![
        differs_from_all(0, &[libc::AF_INET, libc::AF_INET6])?,
        differs_from_all(2, &[0, libc::IPPROTO_TCP, libc::IPPROTO_UDP])?,
    ];
    // The type of a socket. The other bits are flags (linux/net.h).
    const TYPE: i32 = 0xf;
    for other in (0..=TYPE).filter(|kind| ![libc::SOCK_STREAM, libc::SOCK_DGRAM].contains(kind)) {
        socket.push(only([bits(1, int(), TYPE, other)?])?);
    }
    let fast_open = |flags| {
        let flag = bits(flags, int(), libc::MSG_FASTOPEN, libc::MSG_FASTOPEN)?;
        Ok::<_, BackendError>(vec![only([flag])?])
    };
    // The options that Go and ureq set.
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
        (libc::SYS_sendto, fast_open(3)?),
        (libc::SYS_sendmsg, fast_open(2)?),
        (libc::SYS_sendmmsg, fast_open(3)?),
        (libc::SYS_setsockopt, vec![SeccompRule::new(option)?]),
    ])
}

/// Returns a filter that denies the x32 ABI of x86-64. Its call numbers would bypass the other filter. Go does not use it.
#[cfg(target_arch = "x86_64")]
fn deny_x32() -> BpfProgram {
    // __X32_SYSCALL_BIT (arch/x86/include/uapi/asm/unistd.h).
    const X32: u32 = 0x4000_0000;
    // Load the number; deny it if it is X32 or above; else allow it (linux/bpf_common.h, linux/seccomp.h).
    let step = |code, jt, k| sock_filter { code, jt, jf: 0, k };
    vec![
        step(0x20, 0, 0),
        step(0x35, 1, X32),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, DENY.into()),
    ]
}

/// Other architectures have no second ABI.
#[cfg(not(target_arch = "x86_64"))]
fn deny_x32() -> BpfProgram {
    BpfProgram::new()
}

/// BPF_RET | BPF_K (linux/bpf_common.h).
const RETURN: u16 = 0x06;

fn compile(rules: Rules, unlisted: SeccompAction, listed: SeccompAction) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules.into_iter().collect(), unlisted, listed, arch)?.try_into()
}

/// A rule that requires all conditions.
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

/// Compares 32 bits: the kernel reads an `int` argument.
fn int() -> SeccompCmpArgLen {
    SeccompCmpArgLen::Dword
}

/// Compares 64 bits.
fn word() -> SeccompCmpArgLen {
    SeccompCmpArgLen::Qword
}

/// Whether the bits of the argument that `mask` selects are equal to `bits`.
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
