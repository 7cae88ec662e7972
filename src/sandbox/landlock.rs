//! File, TCP and signal rights of a cell, as Landlock rules (Linux 5.13; TCP 6.7; signals and abstract sockets 6.12).

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, make_bitflags, path_beneath_rules,
};

use super::cell::{Cell, Inmate};

/// The newest ABI whose rights are asked for; an older kernel enforces those that it knows.
const NEWEST: ABI = ABI::V6;

/// Restricts this thread, and all it starts, to what the cell allows.
pub fn restrict(cell: &Cell) -> Result<RestrictionStatus, RulesetError> {
    let level = if cell.must_hold {
        CompatLevel::HardRequirement
    } else {
        CompatLevel::BestEffort
    };
    // What must hold is the first ABI's: reading, writing and executing files. Later ABIs add to it where they are there.
    let mut ruleset = Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(&cell.read, read()))?
        .add_rules(path_beneath_rules(&cell.execute, read() | AccessFs::Execute))?
        .add_rules(path_beneath_rules(&cell.write, write(&cell.inmate)))?
        .add_rules(path_beneath_rules(
            ["/dev/null"],
            AccessFs::ReadFile | AccessFs::WriteFile,
        ))?;
    if let Inmate::Driver { ports } = &cell.inmate {
        for port in ports {
            ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    ruleset.restrict_self()
}

fn read() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// No right to make a symbolic link, device, socket or pipe: what a tool leaves behind, the driver opens. A tool removes nothing:
/// a file without a name takes space that GOX_WORK_BYTES does not count.
fn write(inmate: &Inmate) -> BitFlags<AccessFs> {
    let change = read() | make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg});
    match inmate {
        Inmate::Driver { .. } => {
            change | make_bitflags!(AccessFs::{MakeDir | RemoveFile | RemoveDir | Refer})
        }
        Inmate::Tool => change,
    }
}
