//! A recorded run as a trace that Perfetto and Chrome open: when each stage ran, and beside which others.
//!
//! Stages that ran at once lie on lanes of their own. What took no time - a stage from the cache, one that was
//! skipped, a warning - is a mark on the run's lane. The format: "Trace Event Format" of the Chromium project.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};

use crate::diagnostic::{Diagnostic, Problems};
use crate::observe::runs::Run;

/// The lane of the run itself; stages have those from 1 on.
const RUN: usize = 0;

/// A stretch of time in which a stage was under way.
struct Span<'r> {
    stage: &'r str,
    start: f64,
    end: f64,
    /// Its start as it was recorded, where it was.
    begun: Option<&'r Json>,
    /// Its end as it was recorded; none where the run was killed before, or the stage had to wait again.
    done: Option<&'r Json>,
}

/// Something without a length.
struct Mark<'r> {
    name: String,
    category: &'r str,
    time: f64,
    args: Json,
}

/// The trace of a run.
///
/// # Errors
/// When stages ran of which no times are recorded.
pub fn trace(run: &Run) -> Result<Json, Problems> {
    let (spans, marks) = read(run);
    if run.of("stage_started").chain(run.of("stage_done")).any(|event| event["time"].is_null()) {
        let problem = Diagnostic::error(format!("the times of stages in run `{}` aren't recorded", run.name));
        return Err(problem.hint("an earlier custem recorded it; run the pipeline again").into());
    }
    let lanes = lanes(&spans);
    let seconds = run.overview().seconds.unwrap_or(0.0);
    let ends = spans.iter().map(|span| span.end).chain(marks.iter().map(|mark| mark.time));
    let length = ends.fold(seconds, f64::max);
    let mut events = names(run, lanes.iter().max().copied().unwrap_or(RUN));
    events.push(whole(run, length));
    events.extend(spans.iter().zip(&lanes).map(|(span, lane)| stretch(span, *lane)));
    events.extend(marks.iter().map(shown));
    events.extend(counts(&spans));
    Ok(json!({ "traceEvents": events, "displayTimeUnit": "ms" }))
}

/// A log being read from its beginning.
#[derive(Default)]
struct Reading<'r> {
    spans: Vec<Span<'r>>,
    marks: Vec<Mark<'r>>,
    /// Starts whose ends are still to come.
    open: HashMap<&'r str, (f64, &'r Json)>,
    now: f64,
}

/// Everything in a log that has a place in time.
fn read(run: &Run) -> (Vec<Span<'_>>, Vec<Mark<'_>>) {
    let mut reading = Reading::default();
    for event in run.events.iter().filter(|event| event["event"] != "run_started") {
        reading.now = event["time"].as_f64().unwrap_or(0.0).max(reading.now);
        reading.take(event);
    }
    let Reading { mut spans, marks, open, now } = reading;
    spans.extend(open.into_iter().map(|(stage, begun)| unfinished(stage, begun, now)));
    spans.sort_by(|a, b| a.start.total_cmp(&b.start).then_with(|| a.stage.cmp(b.stage)));
    (spans, marks)
}

/// A stretch that has no end in the record.
fn unfinished<'r>(stage: &'r str, (start, begun): (f64, &'r Json), end: f64) -> Span<'r> {
    Span { stage, start, end: end.max(start), begun: Some(begun), done: None }
}

impl<'r> Reading<'r> {
    fn take(&mut self, event: &'r Json) {
        match text(event, "event") {
            "stage_started" => {
                let stage = text(event, "stage");
                // One whose inputs were lost starts again without having ended.
                let before = self.open.insert(stage, (self.now, event));
                self.spans.extend(before.map(|before| unfinished(stage, before, self.now)));
            }
            "stage_done" => self.stage_done(text(event, "stage"), event),
            "warning" => {
                let args = json!({ "place": event["place"], "hint": event["hint"] });
                self.mark(text(event, "message").to_owned(), "warning", args);
            }
            "restored" => {
                let args = json!({ "stage": event["stage"], "why": event["why"], "kept": event["kept"] });
                self.mark(format!("put {} back", text(event, "path")), "restored", args);
            }
            _ => {}
        }
    }

    fn stage_done(&mut self, stage: &'r str, done: &'r Json) {
        let outcome = outcome(done);
        let started = self.open.remove(stage);
        let begun = started.map(|(_, begun)| begun);
        // The record of a variant has no starts; what comes from the cache or is skipped never had one.
        let seconds = done["seconds"].as_f64().filter(|_| matches!(outcome, "ran" | "failed"));
        let start = started.map(|(start, _)| start).or_else(|| Some((self.now - seconds?).max(0.0)));
        match start {
            Some(start) => self.spans.push(Span { stage, start, end: self.now, begun, done: Some(done) }),
            None => self.mark(stage.to_owned(), outcome, ended(done)),
        }
        for note in done["warnings"].as_array().into_iter().flatten().filter(|_| outcome == "ran") {
            let args = json!({ "stage": stage, "place": note["place"], "hint": note["hint"] });
            self.mark(text(note, "message").to_owned(), "warning", args);
        }
    }

    fn mark(&mut self, name: String, category: &'r str, args: Json) {
        self.marks.push(Mark { name, category, time: self.now, args });
    }
}

/// The lane of each span: the lowest that is free when it starts.
fn lanes(spans: &[Span<'_>]) -> Vec<usize> {
    let mut free_from: Vec<f64> = Vec::new();
    let lane = |span: &Span<'_>| {
        let lane = free_from.iter().position(|free| *free <= span.start).unwrap_or(free_from.len());
        free_from.resize(free_from.len().max(lane + 1), 0.0);
        free_from[lane] = span.end;
        lane + 1
    };
    spans.iter().map(lane).collect()
}

fn text<'r>(event: &'r Json, key: &str) -> &'r str {
    event[key].as_str().unwrap_or_default()
}

/// Microseconds, in which traces count.
fn micros(seconds: f64) -> f64 {
    (seconds * 1e6).round()
}

/// What the process and the lanes are called.
fn names(run: &Run, lanes: usize) -> Vec<Json> {
    let named = |what: &str, lane: usize, args: Json| json!({ "ph": "M", "pid": 1, "tid": lane, "name": what, "args": args });
    let process = json!({ "name": format!("{} {}", run.overview().pipeline, run.name) });
    let lane = |lane: usize| {
        let name = if lane == RUN { "run".to_owned() } else { format!("lane {lane}") };
        let order = json!({ "sort_index": lane });
        [named("thread_name", lane, json!({ "name": name })), named("thread_sort_index", lane, order)]
    };
    [named("process_name", RUN, process)].into_iter().chain((RUN..=lanes).flat_map(lane)).collect()
}

fn whole(run: &Run, length: f64) -> Json {
    let overview = run.overview();
    let args = json!({
        "pipeline": overview.pipeline, "file": overview.file, "status": overview.status,
        "ran": overview.ran, "hit": overview.hit, "failed": overview.failed,
    });
    json!({
        "ph": "X", "pid": 1, "tid": RUN, "name": run.name, "cat": "run",
        "ts": 0.0, "dur": micros(length), "args": args,
    })
}

fn stretch(span: &Span<'_>, lane: usize) -> Json {
    let outcome = span.done.map_or("unfinished", outcome);
    let args = span.done.map_or_else(
        || {
            let known = |key: &str| span.begun.map(|begun| begun[key].clone());
            json!({ "kind": known("kind"), "because": known("because"), "outcome": outcome })
        },
        ended,
    );
    let start = micros(span.start);
    json!({
        "ph": "X", "pid": 1, "tid": lane, "name": span.stage, "cat": outcome,
        "ts": start, "dur": micros(span.end) - start, "args": args,
    })
}

fn shown(mark: &Mark<'_>) -> Json {
    json!({
        "ph": "i", "s": "t", "pid": 1, "tid": RUN, "name": mark.name, "cat": mark.category,
        "ts": micros(mark.time), "args": mark.args,
    })
}

/// How many stages were under way, whenever that changed.
fn counts(spans: &[Span<'_>]) -> Vec<Json> {
    let mut changes: BTreeMap<u64, i64> = BTreeMap::new();
    // Times are never negative, so that their bits are in their order.
    for span in spans.iter().filter(|span| micros(span.start) < micros(span.end)) {
        *changes.entry(micros(span.start).to_bits()).or_default() += 1;
        *changes.entry(micros(span.end).to_bits()).or_default() -= 1;
    }
    let mut running = 0;
    let count = |(time, change): (u64, i64)| {
        running += change;
        json!({
            "ph": "C", "pid": 1, "tid": RUN, "name": "stages at once",
            "ts": f64::from_bits(time), "args": { "running": running },
        })
    };
    changes.into_iter().map(count).collect()
}

/// How a stage came out, as one of the words that there are.
fn outcome(done: &Json) -> &'static str {
    let known = ["ran", "hit", "failed", "skipped"];
    known.into_iter().find(|word| done["outcome"] == *word).unwrap_or("unfinished")
}

/// What is known of a stage's end.
fn ended(done: &Json) -> Json {
    let outputs = done["outputs"].as_object().into_iter().flatten();
    let bytes: serde_json::Map<_, _> =
        outputs.map(|(port, output)| (port.clone(), output["bytes"].clone())).collect();
    json!({
        "kind": done["kind"], "key": done["key"], "outcome": done["outcome"], "because": done["because"],
        "inputs": done["inputs"], "output_bytes": bytes, "summary": done["summary"],
        "metrics": done["metrics"], "error": done["error"]["message"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(events: &[Json]) -> Run {
        Run { name: "0001-a".to_owned(), events: events.to_vec() }
    }

    fn started(stage: &str, time: f64) -> Json {
        json!({ "event": "stage_started", "stage": stage, "time": time, "kind": "k", "because": [] })
    }

    fn done(stage: &str, outcome: &str, time: f64) -> Json {
        json!({ "event": "stage_done", "stage": stage, "outcome": outcome, "time": time, "seconds": 0.5 })
    }

    /// The events of one phase.
    fn of<'t>(trace: &'t Json, phase: &str) -> Vec<&'t Json> {
        trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == phase).collect()
    }

    /// Lane, name, start and end of each stretch, the run's first.
    fn stretches(run: &Run) -> Vec<(u64, String, f64, f64)> {
        let trace = trace(run).unwrap();
        let number = |event: &Json, key: &str| event[key].as_f64().unwrap() / 1e6;
        let row = |event: &Json| {
            let start = number(event, "ts");
            (
                event["tid"].as_u64().unwrap(),
                text(event, "name").to_owned(),
                start,
                start + number(event, "dur"),
            )
        };
        of(&trace, "X").into_iter().map(row).collect()
    }

    fn row(lane: u64, name: &str, start: f64, end: f64) -> (u64, String, f64, f64) {
        (lane, name.to_owned(), start, end)
    }

    #[test]
    fn stages_at_once_have_lanes_of_their_own_and_are_counted() {
        let run = run(&[
            json!({ "event": "run_started", "time": 1.7e9 }),
            started("a", 0.0),
            started("b", 0.5),
            done("a", "ran", 1.0),
            started("c", 1.0),
            done("c", "failed", 1.5),
            done("b", "ran", 2.0),
            json!({ "event": "run_done", "seconds": 2.25 }),
        ]);
        let expected = [
            row(0, "0001-a", 0.0, 2.25),
            row(1, "a", 0.0, 1.0),
            row(2, "b", 0.5, 2.0),
            row(1, "c", 1.0, 1.5),
        ];
        assert_eq!(stretches(&run), expected);
        let trace = trace(&run).unwrap();
        let count = |event: &&Json| (event["ts"].as_f64().unwrap() / 1e6, event["args"]["running"].as_i64());
        let counts: Vec<_> = of(&trace, "C").iter().map(count).collect();
        assert_eq!(counts, [(0.0, Some(1)), (0.5, Some(2)), (1.0, Some(2)), (1.5, Some(1)), (2.0, Some(0))]);
    }

    #[test]
    fn a_killed_run_ends_where_it_was_last_heard_of() {
        let run = run(&[started("a", 0.0), started("b", 0.25), done("b", "ran", 1.0)]);
        let expected = [row(0, "0001-a", 0.0, 1.0), row(1, "a", 0.0, 1.0), row(2, "b", 0.25, 1.0)];
        assert_eq!(stretches(&run), expected);
        let trace = trace(&run).unwrap();
        let args = &of(&trace, "X")[1]["args"];
        assert_eq!(*args, json!({ "kind": "k", "because": [], "outcome": "unfinished" }));
    }

    /// A stage whose inputs were lost waits for them, and starts again.
    #[test]
    fn a_stage_that_starts_twice_has_two_stretches() {
        let run = run(&[started("a", 0.0), started("a", 1.0), done("a", "ran", 1.5)]);
        assert_eq!(stretches(&run)[1..], [row(1, "a", 0.0, 1.0), row(1, "a", 1.0, 1.5)]);
    }

    /// The record of a variant has ends alone.
    #[test]
    fn a_start_that_is_not_recorded_follows_from_the_end() {
        let run = run(&[done("a", "ran", 0.75), done("b", "hit", 1.0)]);
        assert_eq!(stretches(&run)[1..], [row(1, "a", 0.25, 0.75)]);
    }

    #[test]
    fn a_record_without_times_is_refused() {
        let run = run(&[json!({ "event": "stage_started", "stage": "a" })]);
        let problem = &trace(&run).unwrap_err().0[0];
        assert_eq!(problem.message, "the times of stages in run `0001-a` aren't recorded");
    }

    #[test]
    fn what_took_no_time_is_a_mark() {
        let hit =
            json!({ "event": "stage_done", "stage": "h", "outcome": "hit", "seconds": 3.0, "time": 0.75 });
        let mut warned = done("a", "ran", 1.0);
        warned["warnings"] = json!([{ "message": "three rows are odd", "place": "p.toml:3" }]);
        let run = run(&[
            started("a", 0.5),
            hit,
            json!({ "event": "warning", "message": "the disk is slow" }),
            warned,
            json!({ "event": "restored", "stage": "h", "path": "out.csv", "why": "missing", "kept": null }),
        ]);
        let trace = trace(&run).unwrap();
        let mark = |mark: &&Json| {
            (text(mark, "name").to_owned(), text(mark, "cat").to_owned(), mark["ts"].as_f64().unwrap() / 1e6)
        };
        let marks: Vec<_> = of(&trace, "i").iter().map(mark).collect();
        let mark = |name: &str, cat: &str, time: f64| (name.to_owned(), cat.to_owned(), time);
        let expected = [
            mark("h", "hit", 0.75),
            mark("the disk is slow", "warning", 0.75),
            mark("three rows are odd", "warning", 1.0),
            mark("put out.csv back", "restored", 1.0),
        ];
        assert_eq!(marks, expected);
    }
}
