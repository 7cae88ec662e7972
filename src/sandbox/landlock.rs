//! Landlock rules of a cell: files (Linux 5.13), TCP (6.7), signals and abstract unix sockets (6.12).

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, make_bitflags, path_beneath_rules,
};

use super::cell::{Cell, Role};

/// The newest ABI that is used. An older kernel enforces the rights that it knows.
const NEWEST_ABI: ABI = ABI::V6;

/// Restricts this thread and its descendants to the rights of the cell.
pub fn restrict(cell: &Cell) -> Result<RestrictionStatus, RulesetError> {
    let level = if cell.must_enforce {
        CompatLevel::HardRequirement
    } else {
        CompatLevel::BestEffort
    };
    // `must_enforce` requires the first ABI: reading, writing and executing files. Later ABIs are used where available.
    let mut ruleset = Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST_ABI))?
        .handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?
        .scope(Scope::from_all(NEWEST_ABI))?
        .create()?
        .add_rules(path_beneath_rules(&cell.read, read_rights()))?
        .add_rules(path_beneath_rules(
            &cell.execute,
            read_rights() | AccessFs::Execute,
        ))?
        .add_rules(path_beneath_rules(&cell.write, write_rights(&cell.role)))?
        .add_rules(path_beneath_rules(
            ["/dev/null"],
            AccessFs::ReadFile | AccessFs::WriteFile,
        ))?;
    if let Role::Driver { ports } = &cell.role {
        for port in ports {
            ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    ruleset.restrict_self()
}

fn read_rights() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// No right to create a symbolic link, device, socket or pipe, since the driver opens the files that a tool creates. A tool may not
/// remove files: an open file without a name takes space that GOX_WORK_BYTES does not count.
fn write_rights(role: &Role) -> BitFlags<AccessFs> {
    let change = read_rights() | make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg});
    match role {
        Role::Driver { .. } => change | make_bitflags!(AccessFs::{MakeDir | RemoveFile | RemoveDir | Refer}),
        Role::Tool => change,
    }
}
