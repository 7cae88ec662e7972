//! The cell of one tool, derived from its arguments.

use std::path::{Path, PathBuf};

use super::archives::archives;
use super::{Invocation, ToolContext, ToolError, is_normal};
use crate::golang::run::include::check_includes;
use crate::sandbox::cell::{Cell, Role};

/// The cell of a tool that prints its version.
pub(super) fn for_version_query(context: &ToolContext) -> Cell {
    Cell {
        role: Role::Tool,
        read: vec![],
        execute: vec![context.goroot.clone()],
        write: vec![],
        limits: None,
        must_enforce: context.must_enforce,
    }
}

/// The cell of a tool that compiles. It may read GOROOT, the directory of its package, the files that its assembler files include
/// from their module, and the archives of its import configuration. It may write the directory of its output.
pub(super) fn for_tool(context: &ToolContext, invocation: Invocation<'_>) -> Result<Cell, ToolError> {
    let name = invocation.name();
    if !["compile", "asm", "link"].contains(&name) || !Path::new(invocation.tool).starts_with(&context.goroot)
    {
        return Err(ToolError::UnknownTool(invocation.tool.to_owned()));
    }
    let output = invocation
        .value("-o")
        .ok_or_else(|| ToolError::Other(format!("{name}: -o is missing")))?;
    let output_dir = Path::new(output)
        .parent()
        .filter(|dir| is_normal(dir) && dir.starts_with(&context.work))
        .ok_or_else(|| ToolError::OutputOutsideBuild {
            tool: name.to_owned(),
            path: output.clone(),
        })?;

    let mut read = Vec::new();
    let rules = invocation.value("-trimpath");
    if let Some(sources) = rules.and_then(|rules| source_directory(rules, output_dir)) {
        if name == "asm" && !sources.starts_with(&context.goroot) {
            let is_assembler = |argument: &&String| argument.ends_with(".s");
            let files = invocation.arguments.iter().filter(is_assembler).map(Path::new);
            read.extend(check_includes(&sources, module_root(context, &sources), files)?);
        }
        read.push(sources);
    }
    read.extend(archives(invocation)?.into_iter().map(|archive| archive.file));
    read.extend(invocation.value("-importcfg").map(PathBuf::from));
    let readable = [&context.goroot, &context.modules, &context.cache, &context.work];
    read.retain(|path| is_normal(path) && readable.iter().any(|root| path.starts_with(root)));
    Ok(Cell {
        read,
        write: vec![output_dir.to_owned()],
        limits: context.limits(name),
        ..for_version_query(context)
    })
}

/// The directory of the package's sources in the value of `-trimpath`: `DIR=>NAME` pairs, one for `output_dir`, the tool's own
/// directory, and one for the sources.
pub fn source_directory(rules: &str, output_dir: &Path) -> Option<PathBuf> {
    let directories = rules
        .split(';')
        .filter_map(|rule| rule.split_once("=>"))
        .map(|(dir, _)| Path::new(dir));
    directories
        .filter(|dir| dir.is_absolute())
        .find(|dir| !output_dir.starts_with(dir))
        .map(Path::to_owned)
}

/// The root of the package's module in the module cache: the directory with the `@` before the version in its name. The path of a
/// package contains no other `@` (golang.org/x/mod/module, CheckImportPath).
///
/// For a package in a copy of a module it is the package's own directory. The path of the copy may get into the program, and no
/// other copy has the same path.
fn module_root<'a>(context: &ToolContext, package: &'a Path) -> &'a Path {
    let has_version = |dir: &&Path| {
        dir.file_name()
            .is_some_and(|name| name.as_encoded_bytes().contains(&b'@'))
    };
    let mut ancestors = package
        .ancestors()
        .take_while(|dir| dir.starts_with(&context.modules));
    ancestors.find(has_version).unwrap_or(package)
}
