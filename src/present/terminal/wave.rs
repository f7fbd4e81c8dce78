//! A line for each wave of `custem watch`: when, what it came to, and which stages ran.

use std::sync::Mutex;

use anyhow::Result;

use super::out::tell;
use super::seconds;
use super::sinks::{Json, failure, restored, warning};
use crate::diagnostic::plural;
use crate::engine::events::{Event, Outcome, Sink, StageDone};

/// Names of stages on a line take at most this many characters.
const NAMES: usize = 60;

/// The time of day where the user is: `14:03:07`.
pub fn clock() -> String {
    chrono::Local::now().format("%H:%M:%S").to_string()
}

/// One line a wave on standard error, and what failed below it.
#[derive(Default)]
pub struct Wave {
    /// Who prints every event too, where that is wanted.
    json: Option<Json>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    ran: Vec<String>,
    errors: Vec<String>,
    warnings: usize,
}

impl Wave {
    /// A wave, its events printed too where they are wanted.
    pub fn new(json: bool) -> Self {
        Self { json: json.then(Json::default), ..Self::default() }
    }

    fn lines(&self, event: &Event) -> Vec<String> {
        match event {
            Event::StageDone(end) => self.take(end),
            // A file that custem wrote itself is replaced without a word.
            Event::Restored { stage, path, why, kept: Some(kept) } => {
                return vec![restored(stage, path, why, Some(kept))];
            }
            Event::Warning(note) => return vec![warning(note)],
            Event::RunDone { ran, hit, failed, skipped, seconds, interrupted, .. } => {
                let Ok(kept) = self.kept.lock() else { return Vec::new() };
                let line = line([*ran, *hit, *failed, *skipped], *seconds, *interrupted, &kept);
                let first = format!("{}  {line}", clock());
                return [first].into_iter().chain(kept.errors.iter().cloned()).collect();
            }
            _ => {}
        }
        Vec::new()
    }

    fn take(&self, end: &StageDone) {
        let Ok(mut kept) = self.kept.lock() else { return };
        match (end.outcome, &end.error) {
            (Outcome::Ran, _) => {
                kept.ran.push(end.stage.clone());
                kept.warnings += end.warnings.len();
            }
            (Outcome::Failed, Some(error)) => kept.errors.push(failure(end, error)),
            _ => {}
        }
    }
}

impl Sink for Wave {
    fn event(&self, event: &Event) {
        if let Some(json) = &self.json {
            json.event(event);
        }
        self.lines(event).iter().for_each(|line| tell(format_args!("{line}\n")));
    }

    fn finish(&self) -> Result<()> {
        self.json.as_ref().map_or(Ok(()), Json::finish)
    }
}

fn line([ran, hit, failed, skipped]: [usize; 4], time: f64, interrupted: bool, kept: &Kept) -> String {
    let mut line = format!("{ran} ran, {hit} from cache");
    for (count, word) in [(failed, "failed"), (skipped, "skipped")] {
        if count > 0 {
            line += &format!(", {count} {word}");
        }
    }
    line += &format!(", {}", seconds(time));
    if kept.warnings > 0 {
        line += &format!(", {}", plural(kept.warnings, "warning"));
    }
    if interrupted {
        line += ", interrupted; everything finished is cached";
    }
    format!("{line}   {}", names(&kept.ran)).trim_end().to_owned()
}

/// The names of stages, as many as fit.
fn names(stages: &[String]) -> String {
    let mut text = String::new();
    for (at, stage) in stages.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        if at > 0 && text.chars().count() + stage.chars().count() > NAMES {
            return format!("{text} and {} more", stages.len() - at);
        }
        text += &format!("{comma}{stage}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(stages: usize) -> Kept {
        Kept { ran: (0..stages).map(|at| format!("stage_{at}")).collect(), ..Kept::default() }
    }

    #[test]
    fn a_wave_is_a_line() {
        assert_eq!(
            line([2, 8, 0, 0], 0.42, false, &kept(2)),
            "2 ran, 8 from cache, 0.4 s   stage_0, stage_1"
        );
        assert_eq!(line([0, 8, 0, 0], 0.0, false, &kept(0)), "0 ran, 8 from cache, 0.0 s");
        let warned = Kept { warnings: 1, ..kept(1) };
        assert_eq!(
            line([1, 0, 1, 2], 3.0, false, &warned),
            "1 ran, 0 from cache, 1 failed, 2 skipped, 3.0 s, 1 warning   stage_0"
        );
        assert!(
            line([0, 0, 0, 1], 1.0, true, &kept(0)).ends_with("interrupted; everything finished is cached")
        );
    }

    #[test]
    fn many_stages_are_counted() {
        assert_eq!(
            names(&kept(100).ran),
            "stage_0, stage_1, stage_2, stage_3, stage_4, stage_5, stage_6 and 93 more"
        );
    }
}
