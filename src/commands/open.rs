//! `custem open`: the report that a run saved, in the desktop's browser.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli;
use crate::diagnostic::{Diagnostic, Problems, quoted, shown};
use crate::engine::Project;
use crate::engine::digest::Digest;
use crate::observe::journal::config_path;
use crate::observe::runs::{self, Run};
use crate::pipeline;
use crate::present::terminal::{print, tell};
use crate::stages::KINDS;

/// How many runs back a report is looked for.
const DEPTH: usize = 50;

/// How long an opener has to say that it can't.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is asked.
const LOOK: Duration = Duration::from_millis(20);

/// Opens the report; where nothing on this machine opens pages, prints where it is.
pub fn open(flags: &cli::Open, project: &Project) -> Result<ExitCode> {
    let page = meant(&flags.of, project)?;
    let path = page.standing(project)?;
    if !flags.path && opened(&path) {
        tell(format_args!("opened {} of run {}\n", page.path.display(), page.run));
    } else {
        print(format_args!("{}\n", path.display()))?;
    }
    if !page.others.is_empty() {
        let others = quoted(page.others.iter().map(String::as_str), "and");
        tell(format_args!("the run saved {others} as well\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A page that a run saved.
struct Page {
    run: String,
    /// The run's pipeline.
    file: String,
    stage: String,
    port: String,
    path: PathBuf,
    digest: String,
    /// Where its other pages are.
    others: Vec<String>,
}

/// The page that the user means: of a run, of the last run of a pipeline, or of the last run that has one.
fn meant(of: &str, project: &Project) -> Result<Page> {
    let experiments = project.experiments();
    let is_file = pipeline::locate(&project.root, Path::new(of)).is_file();
    if of != "last" && !is_file {
        let run = Run::outline(&experiments, &runs::find(&experiments, of)?)?;
        let none = format!("run {} saved no report", run.name);
        return page(&run, project).ok_or_else(|| lacking(none));
    }
    // Where there are no runs at all, that is what is wrong.
    runs::find(&experiments, "last")?;
    let names = runs::names(&experiments).into_iter().rev().filter(|name| runs::sweep_of(name).is_none());
    let place = |file: &str| fs_err::canonicalize(pipeline::locate(&project.root, Path::new(file))).ok();
    let wanted = place(of).filter(|_| is_file);
    let fits = |run: &Run| wanted.is_none() || place(&run.overview().file) == wanted;
    let mut runs = names.filter_map(|name| Run::outline(&experiments, &name).ok()).filter(fits).take(DEPTH);
    let none = match is_file {
        true => format!("no recorded run of `{}` saved a report", shown(of)),
        false => "no recorded run saved a report".to_owned(),
    };
    runs.find_map(|run| page(&run, project)).ok_or_else(|| lacking(none))
}

fn lacking(message: String) -> anyhow::Error {
    let hint =
        "a stage of the kind `report` with `save = \"data/report.html\"` saves one when the pipeline runs";
    Problems::from(Diagnostic::error(message).hint(hint)).into()
}

/// The first page that a run saved, one of a report before any other.
fn page(run: &Run, project: &Project) -> Option<Page> {
    let config = config_path(&project.experiments(), &run.name);
    let pipeline = pipeline::load(&project.root, &config, &[], KINDS).ok()?;
    let mut pages = Vec::new();
    for task in &pipeline.tasks {
        let is_page = |path: &Path| path.extension().is_some_and(|extension| extension == "html");
        let Some((port, path)) = task.saves.iter().find(|(_, path)| is_page(path)) else { continue };
        let end = run.stage(&task.label);
        if let Some(digest) = end.and_then(|end| end["outputs"][port]["digest"].as_str()) {
            let is_report = task.draft.kind.name == "report";
            pages.push((!is_report, task.label.clone(), port.clone(), path.clone(), digest.to_owned()));
        }
    }
    // Those of one kind stay in the order of the pipeline.
    pages.sort_by_key(|(rank, ..)| *rank);
    let mut pages = pages.into_iter();
    let (_, stage, port, path, digest) = pages.next()?;
    let others = pages.map(|(.., path, _)| path.display().to_string()).collect();
    let (run, file) = (run.name.clone(), run.overview().file);
    Some(Page { run, file, stage, port, path, digest, others })
}

impl Page {
    /// Where it stands, as this run saved it.
    fn standing(&self, project: &Project) -> Result<PathBuf> {
        let path = project.root.join(&self.path);
        let path = path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path);
        let again = format!("`custem run {}` saves what it gives now", self.file);
        let message = match fs_err::File::open(&path) {
            Ok(file) if Digest::of_file(file.file())?.hex() == self.digest => return Ok(path),
            Ok(_) => format!("`{}` has other bytes than run {} saved", self.path.display(), self.run),
            Err(_) => {
                format!("`{}`, which run {} saved, isn't there any more", self.path.display(), self.run)
            }
        };
        let own = format!("custem show {}.{} --run {} > report.html", self.stage, self.port, self.run);
        let hint = format!("{again}; that of the run, as long as the cache has it: {own}");
        Err(Problems::from(Diagnostic::error(message).hint(hint)).into())
    }
}

/// Whether the desktop has opened a page.
fn opened(path: &Path) -> bool {
    // Without a screen an opener would start a browser within the terminal.
    let given = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].into_iter().any(given) {
        return false;
    }
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(opener);
    command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().is_ok_and(|mut opener| well(&mut opener))
}

/// Whether an opener has done its work, or is still at it.
fn well(opener: &mut Child) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match opener.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(LOOK),
            Err(_) => return false,
        }
    }
    true
}
