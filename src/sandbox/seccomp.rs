//! System calls that no build needs, and that get a stranger's code out of its cell or at the kernel.
//!
//! A deny-list that answers EPERM: an allow-list would break with the next Go. `clone3` answers ENOSYS instead, so
//! that a caller falls back to `clone`, whose flags a filter can see.

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::cell::Inmate;

/// Never, for anybody.
const DENIED: &[libc::c_long] = &[
    // Other processes' memory, and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
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

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. NEWTIME's bit means the exit signal in clone(2).
const NEW_NAMESPACES: [u64; 7] = [
    0x0002_0000,
    0x0200_0000,
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
];

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

/// Puts the inmate's filters in force for this thread and all it starts. `no_new_privs` has to be set before.
pub fn restrict(inmate: &Inmate) -> Result<(), NoFilter> {
    let program: BpfProgram = denied(inmate)?.try_into()?;
    seccompiler::apply_filter(&program)?;
    let program: BpfProgram = filter(vec![(libc::SYS_clone3, vec![])], libc::ENOSYS)?.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

fn denied(inmate: &Inmate) -> Result<SeccompFilter, seccompiler::BackendError> {
    let mut rules: Vec<(libc::c_long, Vec<SeccompRule>)> =
        DENIED.iter().map(|call| (*call, vec![])).collect();
    let new = |flag: &u64| has_bit(*flag).and_then(|c| SeccompRule::new(vec![c]));
    rules.push((
        libc::SYS_clone,
        NEW_NAMESPACES.iter().map(new).collect::<Result<_, _>>()?,
    ));
    match inmate {
        // A tool reads and writes files: it has no use for any socket.
        Inmate::Tool => rules.push((libc::SYS_socket, vec![])),
        // The driver asks the module proxy, over IPv4 or IPv6; nothing else (no netlink, packet, vsock, unix).
        Inmate::Driver { .. } => rules.push((
            libc::SYS_socket,
            vec![SeccompRule::new(vec![
                differs_from(libc::AF_INET)?,
                differs_from(libc::AF_INET6)?,
            ])?],
        )),
    }
    rules.push((libc::SYS_socketpair, vec![]));
    filter(rules, libc::EPERM)
}

fn filter(
    rules: Vec<(libc::c_long, Vec<SeccompRule>)>,
    errno: libc::c_int,
) -> Result<SeccompFilter, seccompiler::BackendError> {
    SeccompFilter::new(
        rules.into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno as u32),
        TargetArch::try_from(std::env::consts::ARCH)?,
    )
}

fn has_bit(flag: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)
}

fn differs_from(family: libc::c_int) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family as u64)
}
