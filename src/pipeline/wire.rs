//! References between stages, held against the stages and ports that there are.
//!
//! Doesn't build the graph: that is `weave`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::Node;
use super::draft::{Draft, unknown_port};
use crate::diagnostic::{Diagnostic, Location, did_you_mean, quoted};
use crate::stage::Need;

/// The stage name that stands for the sweep's leaderboard.
pub const LEADERBOARD: &str = "sweep";

/// Holds every reference against the stages that there are.
pub fn references<'a>(
    base: &[Arc<Draft>],
    names: impl Iterator<Item = &'a str> + Clone,
    swept: bool,
    problems: &mut Vec<Diagnostic>,
) {
    let drafts: HashMap<&str, &Arc<Draft>> = base.iter().map(|draft| (draft.name.as_str(), draft)).collect();
    let known: BTreeSet<&str> = names.clone().collect();
    for draft in base {
        for need in &draft.needs {
            let target = need.from.stage();
            let found = match drafts.get(target) {
                Some(from) => port_of(draft, need, from).err(),
                None if target == LEADERBOARD && swept => None,
                // The stage is there but wrong in itself, which is reported at its own place.
                None if known.contains(target) => None,
                None => Some(no_stage(target, &draft.node.nearest(&need.key).at, names.clone())),
            };
            problems.extend(found);
        }
    }
    same_files(base, problems);
}

/// Holds the references of stages that are wrong in themselves against the names that there are.
pub fn loose<'a>(
    references: &[&Node],
    names: impl Iterator<Item = &'a str> + Clone,
    problems: &mut Vec<Diagnostic>,
) {
    for node in references {
        let target = node.text().and_then(|text| text.split('.').next()).unwrap_or_default();
        if target != LEADERBOARD && !names.clone().any(|name| name == target) {
            problems.push(no_stage(target, &node.at, names.clone()));
        }
    }
}

fn no_stage<'a>(target: &str, at: &Location, names: impl Iterator<Item = &'a str>) -> Diagnostic {
    if target == LEADERBOARD {
        return Diagnostic::error("`sweep` is the leaderboard of a sweep, and this pipeline has none")
            .at(at)
            .hint("add a table `[sweep]`, or take this input out");
    }
    let names: Vec<_> = names.collect();
    let hint = match did_you_mean(target, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the stages are {}", quoted(names, "and")),
    };
    Diagnostic::error(format!("there is no stage `{target}`")).at(at).hint(hint)
}

/// The port that an input refers to, when it exists and has a type that the input takes.
pub fn port_of(draft: &Draft, need: &Need, from: &Draft) -> Result<String, Diagnostic> {
    let at = &draft.node.nearest(&need.key).at;
    let port = match need.from.port() {
        None => from.gives.first(),
        Some(name) => from.gives.iter().find(|port| port.name == name),
    };
    let Some(port) = port else {
        return Err(unknown_port(&from.name, need.from.port().unwrap_or_default(), at, &from.gives));
    };
    if need.accepts.contains(&port.ty) {
        return Ok(port.name.clone());
    }
    let wanted: Vec<_> = need.accepts.iter().map(|ty| ty.name()).collect();
    let others: Vec<_> = from.gives.iter().filter(|give| need.accepts.contains(&give.ty)).collect();
    let message = format!(
        "`{}.{}` takes a {}, but `{}.{}` is a {}",
        draft.name,
        need.key,
        wanted.join(" or "),
        from.name,
        port.name,
        port.ty.name()
    );
    let names: Vec<_> = others.iter().map(|give| format!("{}.{}", from.name, give.name)).collect();
    let hint = (!names.is_empty())
        .then(|| format!("`{}` also gives {}", from.name, quoted(names.iter().map(String::as_str), "and")));
    Err(Diagnostic::error(message).at(at).maybe_hint(hint))
}

/// Two stages may not save to one path, and none may read what another one saves.
fn same_files(base: &[Arc<Draft>], problems: &mut Vec<Diagnostic>) {
    let mut saved: BTreeMap<&Path, &str> = BTreeMap::new();
    for draft in base {
        for (_, path, at) in &draft.saves {
            if let Some(other) = saved.insert(path, &draft.name) {
                let message = format!("`{}` is already saved by stage `{other}`", path.display());
                problems.push(Diagnostic::error(message).at(at).hint("give each saved output its own path"));
            }
        }
    }
    for draft in base {
        for source in draft.body.sources() {
            let cleaned: PathBuf = Path::new(&source.pattern).components().collect();
            if let Some(other) = saved.get(cleaned.as_path()) {
                let message =
                    format!("stage `{}` reads `{}`, which stage `{other}` saves", draft.name, source.pattern);
                let hint =
                    format!("order comes from inputs alone: use the stage's output, `input = \"{other}\"`");
                let at = &draft.node.nearest(&source.key).at;
                problems.push(Diagnostic::error(message).at(at).hint(hint));
            }
        }
    }
}
