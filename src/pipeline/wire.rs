//! References between stages, held against the stages and ports that there are.
//!
//! Doesn't build the graph: that is `weave`.

use std::sync::Arc;

use super::draft::{Draft, unknown_port};
use super::order::Numbers;
use crate::diagnostic::{Diagnostic, Location, listing, meant, quoted, shown};
use crate::stage::{Need, Port};

/// The stage name that stands for the sweep's leaderboard.
pub const LEADERBOARD: &str = "sweep";

/// Holds every reference against the stages that there are.
pub fn references<'a>(
    base: &[Arc<Draft>],
    numbers: &Numbers,
    names: impl Iterator<Item = &'a str> + Clone,
    swept: bool,
    problems: &mut Vec<Diagnostic>,
) {
    let unknown = |target: &str, at: &Location| {
        // The stage may be there but wrong in itself, which is reported at its own place.
        let there = names.clone().any(|name| name == target) || target == LEADERBOARD && swept;
        (!there).then(|| no_stage(target, at, names.clone()))
    };
    for draft in base {
        for need in &draft.needs {
            let target = need.from.stage();
            problems.extend(
                match numbers.get(target).map(|at| &base[*at]).filter(|from| from.outputs_known) {
                    Some(from) => port_of(draft, need, from).err(),
                    None => unknown(target, &draft.node.nearest(&need.key).at),
                },
            );
        }
        for node in &draft.loose {
            let target = node.text().and_then(|text| text.split('.').next()).unwrap_or_default();
            problems.extend(unknown(target, &node.at));
        }
    }
}

fn no_stage<'a>(target: &str, at: &Location, names: impl Iterator<Item = &'a str>) -> Diagnostic {
    if target == LEADERBOARD {
        return Diagnostic::error("`sweep` is the leaderboard of a sweep, and this pipeline has none")
            .at(at)
            .hint("add a table `[sweep]`, or take this input out");
    }
    let hint = meant(target, names, "the stages are");
    Diagnostic::error(format!("there is no stage `{}`", shown(target))).at(at).hint(hint)
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
    let wanted: Vec<_> = need.accepts.iter().map(|ty| ty.described().to_owned()).collect();
    let others: Vec<_> = from.gives.iter().filter(|give| need.accepts.contains(&give.ty)).collect();
    let message = format!(
        "`{}.{}` takes {}, but `{}.{}` is {}",
        draft.name,
        need.key,
        listing(&wanted, "or"),
        from.name,
        port.name,
        port.ty.described()
    );
    let names: Vec<_> = others.iter().map(|give| format!("{}.{}", from.name, give.name)).collect();
    let hint = match names.as_slice() {
        [] => format!("`{}` gives {}: name another stage", from.name, given(&from.gives)),
        names => format!("`{}` also gives {}", from.name, quoted(names.iter().map(String::as_str), "and")),
    };
    Err(Diagnostic::error(message).at(at).hint(hint))
}

/// The outputs of a stage with their types.
fn given(gives: &[Port]) -> String {
    let one = |port: &Port| format!("`{}` ({})", port.name, port.ty.name());
    listing(&gives.iter().map(one).collect::<Vec<_>>(), "and")
}
