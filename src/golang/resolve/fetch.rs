//! Fetches module versions for a resolution. `go` downloads and verifies their zips, but does not unpack them; only their outlines are
//! unpacked (`source/outline.rs`).

use crate::config::BuildLimits;
use crate::error::{Error, Reason, internal_error};
use crate::golang::cache_layout::module_directory;
use crate::golang::resolve::downloaded::{DownloadedModule, check_completed};
use crate::golang::resolve::lookup::Lookup;
use crate::golang::run::command::driver_cell;
use crate::golang::run::diagnosis;
use crate::hidden_command::HiddenCommand;
use crate::sandbox::process::{Bounds, Termination, run};
use crate::sandbox::self_exe::self_exe;

/// Limits of the output of `gox-server outline`, in bytes: the list of directories, and messages.
const DIRECTORIES_BYTES: usize = 8 << 20;
const MESSAGES_BYTES: usize = 4 << 10;

/// A module version with a downloaded and verified zip.
pub(in crate::golang) struct PackedModule(pub(in crate::golang) DownloadedModule);

impl Lookup<'_> {
    /// Downloads these modules, MODULE@VERSION, with one `go`. Returns the results in the same order. `exact` says that the client named
    /// the version.
    pub(in crate::golang) fn download_packed(
        &self,
        queries: &[&str],
        exact: bool,
    ) -> Vec<Result<PackedModule, Error>> {
        let Lookup { go, work, deadline } = *self;
        if let Some(relay) = go.relay {
            relay.announce(queries);
        }
        let args = [&["mod", "download", "-json", "--"], queries].concat();
        let outcome = go.look_up(work, &args, deadline).and_then(|outcome| {
            check_completed(go, work, &queries.join(" "), &outcome)?;
            Ok(outcome)
        });
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return queries.iter().map(|_| Err(error.clone())).collect(),
        };
        let reports = serde_json::Deserializer::from_slice(&outcome.stdout).into_iter::<DownloadedModule>();
        let reports: Vec<DownloadedModule> = reports.map_while(Result::ok).collect();
        let result = |query: &&str| {
            let path = query.split('@').next().unwrap_or_default();
            let report = reports.iter().find(|report| report.path == path);
            match report.filter(|report| !report.sum.is_empty()) {
                Some(packed) => Ok(PackedModule(packed.clone())),
                None => {
                    let error = report
                        .map(|report| report.error.as_str())
                        .filter(|e| !e.is_empty());
                    let messages = String::from_utf8_lossy(&outcome.stderr);
                    let messages = error.unwrap_or(&messages);
                    Err(diagnosis::diagnose_module(messages, exact, &go.hidden_paths()))
                }
            }
        };
        queries.iter().map(result).collect()
    }

    /// Downloads `query`, MODULE@VERSION, and unpacks its outline. `exact` says that the client named the version.
    pub(super) fn download_outline(&self, query: &str, exact: bool) -> Result<DownloadedModule, Error> {
        let packed = self.download_packed(&[query], exact).remove(0)?;
        self.unpack(packed, exact)
    }

    /// Unpacks the outline. A module that has none is unpacked by `go`, which reports what is wrong with it.
    pub(super) fn unpack(&self, packed: PackedModule, exact: bool) -> Result<DownloadedModule, Error> {
        let PackedModule(packed) = packed;
        let module = format!("{}@{}", packed.path, packed.version);
        match self.create_outline(packed, &module)? {
            Some(outline) => Ok(outline),
            None => self.download(&module, exact),
        }
    }

    /// Downloads and unpacks `query`, MODULE@VERSION. `exact` says that the client named the version: if it is missing, the error is
    /// `NoSuchVersion` instead of `NoSuchModule`.
    pub(super) fn download(&self, query: &str, exact: bool) -> Result<DownloadedModule, Error> {
        let Lookup { go, work, deadline } = *self;
        let outcome = go.run(work, &["mod", "download", "-json", "--", query], deadline)?;
        DownloadedModule::parse(go, work, query, exact, &outcome)
    }

    /// Unpacks the outline in a cell. Returns `None` if Go may reject the zip.
    fn create_outline(
        &self,
        packed: DownloadedModule,
        module: &str,
    ) -> Result<Option<DownloadedModule>, Error> {
        let Lookup { go, work, deadline } = *self;
        let tree = module_directory(&work.join("outlines"), &packed.path, &packed.version);
        let self_exe = self_exe(work).map_err(|e| internal_error("find gox-server itself", &e))?;
        let mut cell = driver_cell(go.config, std::iter::empty());
        cell.read = vec![packed.zip.clone()];
        cell.execute.push(self_exe.clone());
        cell.write.push(work.to_owned());
        let outline = HiddenCommand::Outline {
            zip: packed.zip.clone(),
            module: module.to_owned(),
            tree: tree.clone(),
        };
        let mut command = cell
            .command(&self_exe, outline.command_line(&self_exe))
            .map_err(|e| internal_error("serialize a cell", &e))?;
        command.current_dir(work).env_clear();
        let bounds = Bounds {
            deadline,
            stdout_bytes: DIRECTORIES_BYTES,
            stderr_bytes: MESSAGES_BYTES,
        };
        let outcome =
            run(&mut command, bounds, |_| true).map_err(|e| internal_error("start an outline", &e))?;
        if outcome.termination == Termination::Exited(0) {
            let output = String::from_utf8_lossy(&outcome.stdout);
            let (usage, directories) = output.split_once('\n').unwrap_or_default();
            check_usage(usage, module, &go.config.limits)?;
            return Ok(Some(DownloadedModule {
                dir: tree,
                directories: directories.lines().map(str::to_owned).collect(),
                ..packed
            }));
        }
        log::info!(
            "{module} has no outline: {}",
            String::from_utf8_lossy(&outcome.stderr).trim()
        );
        Ok(None)
    }
}

/// Fails if the unpacked module would exceed the disk limits of a build. A build could notice that too late: Go unpacks 400 MB between
/// two polls.
fn check_usage(usage: &str, module: &str, limits: &BuildLimits) -> Result<(), Error> {
    let mut numbers = usage.split(' ').map(|number| number.parse().unwrap_or(u64::MAX));
    let (bytes, files) = (numbers.next(), numbers.next());
    if bytes > Some(limits.work_bytes) || files > Some(limits.work_files) {
        let detail = format!(
            "{module} has {} bytes in {} files.",
            bytes.unwrap_or(0),
            files.unwrap_or(0)
        );
        return Err(Error::new(Reason::TooMuchDisk).detail(detail));
    }
    Ok(())
}
