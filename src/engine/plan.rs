//! What a run would do, told without running: which stages must run, which may, which are in the remote, which needn't.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use anyhow::Result;

use super::Project;
use super::cause::{self, Cause, Now, Seen};
use super::digest::Digest;
use super::events::Sink;
use super::files::Files;
use super::identify::{self, Identity};
use super::remote::session::{Offer, Wanted};
use super::remote::{Remote, Session, requests};
use super::save::{self, Standing};
use super::store::{Brief, Output, Record, Store};
use super::waves::waves;
use crate::pipeline::{Edge, Pipeline, Task};

/// A task as it last came out well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Last {
    /// Its key.
    pub key: Digest,
    /// How long it took, then or when it ran.
    pub seconds: f64,
}

/// The past of a pipeline: its tasks as they last came out well, by label.
pub trait History {
    /// The key that a task had, and how long it took.
    fn last(&self, label: &str) -> Option<Last>;

    /// The parameters of the stage behind it then, references among them; nothing where they aren't known.
    fn params(&self, _label: &str) -> Option<toml::Table> {
        None
    }
}

impl<F: Fn(&str) -> Option<Last>> History for F {
    fn last(&self, label: &str) -> Option<Last> {
        self(label)
    }
}

/// What a run would do with a task.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Its result is in the cache.
    UpToDate(Box<Brief>),
    /// It must run, for these reasons.
    MustRun(Vec<Cause>),
    /// The remote has its result.
    Fetch {
        /// What it left behind there.
        record: Box<Record>,
        /// How much of it would be fetched.
        bytes: u64,
    },
    /// It runs if these tasks give other bytes than before.
    MayRun(Vec<usize>),
    /// It runs unless the remote has its result for what these tasks give.
    MayFetch(Vec<usize>),
    /// A file that it reads is missing or unreadable.
    Broken(String),
}

/// What a run would do with a task, and what it would cost.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The task.
    pub task: usize,
    /// What a run would do with it.
    pub verdict: Verdict,
    /// How long it took when it last ran.
    pub seconds: Option<f64>,
    /// How much it left when it last ran.
    pub bytes: Option<u64>,
    /// Saved files that would be put back: path, why, size.
    pub restore: Vec<(PathBuf, Standing, u64)>,
}

/// What is to be foretold.
pub struct Question<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Where it runs.
    pub project: &'a Project,
    /// Which tasks are wanted.
    pub wanted: &'a [bool],
    /// Which tasks run whatever the cache has.
    pub forced: &'a [bool],
    /// The past of the pipeline.
    pub history: &'a dyn History,
    /// Where results are shared, if that counts.
    pub remote: Option<&'a Remote>,
}

/// Foretells a run of the wanted tasks; nothing is written. When the remote fails there is a warning, and the plan
/// is one without it.
///
/// # Errors
/// When the store or a saved file can't be read.
pub fn plan(question: &Question<'_>, sink: &dyn Sink) -> Result<Vec<Planned>> {
    let store = Store::look(&question.project.cache())?;
    let session = question.remote.map(|remote| Session::looking(remote, &store, sink));
    let session = session.as_ref().filter(|session| session.pulls());
    let planned = foretell(question, &store, session)?;
    match session {
        // What it had said until then is half of a plan.
        Some(session) if !session.pulls() => foretell(question, &store, None),
        _ => Ok(planned),
    }
}

fn foretell(question: &Question<'_>, store: &Store, remote: Option<&Session<'_>>) -> Result<Vec<Planned>> {
    let files = Files::look(&store.files_log())?;
    let outputs = vec![None; question.pipeline.tasks.len()];
    let (frames, coming) = (None, HashSet::new());
    let mut planner = Planner { question, store, remote, files, outputs, frames, coming };
    let mut planned = Vec::new();
    for wave in waves(question.pipeline) {
        let wave: Vec<_> = wave.into_iter().filter(|at| question.wanted[*at]).collect();
        let looks: Vec<_> = wave.iter().map(|at| planner.look(*at)).collect();
        let ask = |look: &Look| Ok(look.offer(question.pipeline, remote));
        // A thread for each question is worth it only where somebody is asked.
        let offers = remote.map(|_| requests::each(&looks, &ask).0).unwrap_or_default();
        let offers = offers.into_iter().chain(std::iter::repeat_with(|| None));
        for ((at, look), offer) in wave.into_iter().zip(looks).zip(offers) {
            let verdict = planner.settle(at, look, offer.flatten());
            planned.push(planner.planned(at, verdict)?);
        }
    }
    planned.sort_unstable_by_key(|planned| planned.task);
    Ok(planned)
}

struct Planner<'a> {
    question: &'a Question<'a>,
    store: &'a Store,
    remote: Option<&'a Session<'a>>,
    files: Files,
    /// Outputs of tasks, where they can be foretold.
    outputs: Vec<Option<BTreeMap<String, Output>>>,
    /// What the cache has records of, whatever the inputs were: read when it is first asked for.
    frames: Option<HashSet<Frame>>,
    /// Objects that would be fetched.
    coming: HashSet<Digest>,
}

/// A manifest in readable form without the digests of inputs.
type Frame = Vec<(String, String)>;

/// What this machine says of a task.
enum Look {
    /// All that there is to say.
    Settled(Verdict),
    /// The cache lacks its result, which the remote may have.
    Absent(Box<Absent>),
}

struct Absent {
    task: usize,
    identity: Identity,
    /// The record, where there is one whose objects are lost.
    known: Option<Record>,
    /// Why it must run then.
    causes: Vec<Cause>,
}

impl Look {
    /// What the remote has for it.
    fn offer(&self, pipeline: &Pipeline, remote: Option<&Session<'_>>) -> Option<Offer> {
        let (Self::Absent(absent), Some(remote)) = (self, remote) else { return None };
        let task = &pipeline.tasks[absent.task];
        let manifest = absent.identity.readable(task);
        let wanted = Wanted { key: &absent.identity.key, manifest: Some(&manifest), label: &task.label };
        remote.offer(wanted, absent.known.clone())
    }
}

impl Planner<'_> {
    /// What a run would do with a task by what is here; its outputs are noted where they can be foretold.
    fn look(&mut self, at: usize) -> Look {
        let task = &self.question.pipeline.tasks[at];
        let unknown: Vec<_> =
            task.inputs.iter().map(|edge| edge.task).filter(|from| self.outputs[*from].is_none()).collect();
        let inputs = identify::inputs(task, &self.outputs);
        let identity = match Identity::of(task, inputs, &mut self.files, &self.question.project.root) {
            Ok(identity) => identity,
            Err(error) => return Look::Settled(Verdict::Broken(format!("{error:#}"))),
        };
        let forced = self.question.forced[at];
        if !unknown.is_empty() {
            return Look::Settled(self.without_key(task, forced, &identity, unknown));
        }
        // A record's outputs are what another run would give, also where it must run for other reasons.
        self.outputs[at] = self.store.brief(&identity.key).map(|record| record.outputs);
        match judge(&identity, self.store, forced) {
            Ok(record) => Look::Settled(Verdict::UpToDate(Box::new(record))),
            Err(causes) if forced => Look::Settled(Verdict::MustRun(causes)),
            Err(causes) => {
                let causes = if causes.is_empty() { self.causes(task, &identity) } else { causes };
                let known = self.remote.and_then(|_| self.store.record(&identity.key));
                Look::Absent(Box::new(Absent { task: at, identity, known, causes }))
            }
        }
    }

    /// What a run would do with a task after the remote was asked.
    fn settle(&mut self, at: usize, look: Look, offer: Option<Offer>) -> Verdict {
        match (look, offer) {
            (Look::Settled(verdict), _) => verdict,
            (Look::Absent(absent), None) => Verdict::MustRun(absent.causes),
            (Look::Absent(_), Some(Offer { record, lost })) => {
                self.outputs[at] = Some(record.outputs.clone());
                let coming = lost.iter().filter(|output| self.coming.insert(output.digest));
                let bytes = coming.map(|output| output.bytes).sum();
                Verdict::Fetch { record: Box::new(record), bytes }
            }
        }
    }

    fn planned(&mut self, at: usize, verdict: Verdict) -> Result<Planned> {
        let Question { pipeline, project, history, .. } = self.question;
        let task = &pipeline.tasks[at];
        let last = history.last(&task.label).and_then(|last| self.store.brief(&last.key));
        let restore = match &verdict {
            Verdict::UpToDate(record) => restores(task, record, &mut self.files, self.store, project)?,
            _ => Vec::new(),
        };
        let size = |record: &Brief| record.outputs.values().map(|output| output.bytes).sum();
        let (seconds, bytes) = (last.as_ref().map(|record| record.seconds), last.as_ref().map(size));
        Ok(Planned { task: at, verdict, seconds, bytes, restore })
    }

    /// A task some of whose inputs are yet to be computed: it needn't run if they turn out to be ones
    /// that it has had, with the same parameters.
    fn without_key(
        &mut self,
        task: &Task,
        forced: bool,
        identity: &Identity,
        unknown: Vec<usize>,
    ) -> Verdict {
        if forced {
            return Verdict::MustRun(vec![Cause::Forced]);
        }
        let store = self.store;
        let frames = self
            .frames
            .get_or_insert_with(|| store.records().iter().map(|record| frame(&record.manifest)).collect());
        if frames.contains(&frame(&identity.readable(task))) {
            return Verdict::MayRun(unknown);
        }
        // Nobody knows what others have given there.
        if self.remote.is_some() {
            return Verdict::MayFetch(unknown);
        }
        let mut causes = self.causes(task, identity);
        causes.retain(|cause| !matches!(cause, Cause::Input { new: None, .. }));
        Verdict::MustRun(if causes.is_empty() { vec![Cause::New] } else { causes })
    }

    fn causes(&self, task: &Task, identity: &Identity) -> Vec<Cause> {
        causes_since(self.question.pipeline, task, identity, self.store, self.question.history)
    }
}

fn frame(manifest: &BTreeMap<String, String>) -> Frame {
    let is_input = |path: &str| path == "inputs" || path.starts_with("inputs.");
    let own = manifest.iter().filter(|(path, _)| !is_input(path));
    own.map(|(path, value)| (path.clone(), value.clone())).collect()
}

/// The record of a task that needn't run; else why it must, beyond having another key.
pub(super) fn judge(identity: &Identity, store: &Store, forced: bool) -> Result<Brief, Vec<Cause>> {
    if forced {
        return Err(vec![Cause::Forced]);
    }
    let record = store.brief(&identity.key).ok_or_else(Vec::new)?;
    match store.lost(&record) {
        Some((port, loss)) => Err(vec![Cause::lost(port, loss)]),
        None => Ok(record),
    }
}

/// Why a task without a record must run: how its key differs from that of the last run.
pub(super) fn causes_since(
    pipeline: &Pipeline,
    task: &Task,
    identity: &Identity,
    store: &Store,
    history: &dyn History,
) -> Vec<Cause> {
    let Some(last) = history.last(&task.label) else { return vec![Cause::New] };
    let Some(last) = store.record(&last.key) else { return vec![Cause::Forgotten] };
    let giver = |edge: &Edge| (edge.key.clone(), pipeline.tasks[edge.task].label.clone());
    let givers = task.inputs.iter().map(giver).collect();
    let takes: Vec<_> = task.inputs.iter().map(|edge| edge.key.as_str()).collect();
    let manifest = identity.readable(task);
    // What is written in the file, in a variant too: that of an axis is the same as long as the label is.
    let written = || pipeline.base.iter().find(|draft| draft.name == task.draft.name);
    let stage = if task.label == task.draft.name { None } else { written() }.unwrap_or(&task.draft);
    let took = last.manifest.keys().any(|path| path.starts_with("inputs."));
    let before = (took || !takes.is_empty()).then(|| history.params(&task.label)).flatten();
    let now = stage.body.params().ok();
    let old = Seen { manifest: &last.manifest, params: before.as_ref(), takes: &[] };
    let new = Seen { manifest: &manifest, params: now.as_ref(), takes: &takes };
    let causes = cause::between(Some(Now { pipeline, task }), &givers, old, new);
    if causes.is_empty() { vec![Cause::Forgotten] } else { causes }
}

fn restores(
    task: &Task,
    record: &Brief,
    files: &mut Files,
    store: &Store,
    project: &Project,
) -> Result<Vec<(PathBuf, Standing, u64)>> {
    let mut restore = Vec::new();
    for (port, path) in &task.saves {
        let Some(output) = record.outputs.get(port) else { continue };
        let standing = save::standing(&project.root.join(path), output, files, store)?;
        if standing != Standing::Same {
            restore.push((path.clone(), standing, output.bytes));
        }
    }
    Ok(restore)
}
