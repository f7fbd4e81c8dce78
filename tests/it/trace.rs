//! `runs trace`: what a run's log says, as a trace that Perfetto opens.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::project::{Project, events, text};

/// Four stages, two of which can run at once; `{}` is what the last one does.
fn pipeline(last: &str) -> String {
    let stage = |name: &str, command: &str, from: Option<&str>| {
        let inputs = from.map(|from| format!("inputs = {{ rows = \"{from}\" }}\n")).unwrap_or_default();
        format!(
            "[stages.{name}]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"{command}\"]\n{inputs}save = \"out/{name}.txt\"\n\n"
        )
    };
    stage("a", "echo 1", None)
        + &stage("b", "sleep 0.2; echo 2", Some("a"))
        + &stage("c", "sleep 0.2; echo 3", Some("a"))
        + &stage("d", last, Some("b"))
}

fn log(project: &Project, run: &str) -> Vec<Json> {
    events(&project.custem(&["runs", "show", run, "--json"]).out)
}

/// The trace of a run, the same every time.
fn trace(project: &Project, run: &str) -> Vec<Json> {
    let ran = project.custem(&["runs", "trace", run]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(project.custem(&["runs", "trace", run]).out, ran.out);
    let trace: Json = serde_json::from_str(&ran.out).unwrap();
    trace["traceEvents"].as_array().unwrap().clone()
}

fn number(event: &Json, key: &str) -> f64 {
    event[key].as_f64().unwrap_or_else(|| panic!("{key} of {event}"))
}

/// Seconds of a log in the trace's microseconds.
fn micros(seconds: f64) -> f64 {
    (seconds * 1e6).round()
}

fn of<'t>(trace: &'t [Json], phase: &str) -> Vec<&'t Json> {
    trace.iter().filter(|event| event["ph"] == phase).collect()
}

/// Holds a trace against the log that it was made from; how many slices there are.
fn agrees(project: &Project, run: &str) -> usize {
    let (log, trace) = (log(project, run), trace(project, run));
    let slices: Vec<_> = of(&trace, "X").into_iter().filter(|slice| slice["cat"] != "run").collect();
    let starts: BTreeMap<_, _> =
        of_log(&log, "stage_started").map(|event| (text(event, "stage"), event)).collect();
    let mut slices_left = slices.len();
    for done in of_log(&log, "stage_done") {
        let stage = text(done, "stage");
        let shown = if let Some(start) = starts.get(stage) {
            slices_left -= 1;
            let slice = the_one(&slices, stage);
            assert_eq!(number(slice, "ts"), micros(number(start, "time")));
            assert_eq!(number(slice, "ts") + number(slice, "dur"), micros(number(done, "time")));
            assert_eq!(start["because"], done["because"]);
            slice
        } else {
            let mark = the_one(&of(&trace, "i"), stage);
            assert_eq!(number(mark, "ts"), micros(number(done, "time")));
            mark
        };
        assert_eq!(shown["cat"], done["outcome"]);
        for key in ["kind", "key", "outcome", "because"] {
            assert_eq!(shown["args"][key], done[key], "{key} of {stage}");
        }
    }
    assert_eq!(slices_left, 0);
    lanes_hold_one_at_a_time(&slices);
    counted(&slices, &of(&trace, "C"));
    slices.len()
}

/// The only one of that name.
fn the_one<'t>(events: &[&'t Json], name: &str) -> &'t Json {
    let found: Vec<&'t Json> = events.iter().copied().filter(|event| event["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0]
}

fn of_log<'l>(log: &'l [Json], event: &'l str) -> impl Iterator<Item = &'l Json> {
    log.iter().filter(move |line| line["event"] == event)
}

fn lanes_hold_one_at_a_time(slices: &[&Json]) {
    let mut until: BTreeMap<u64, f64> = BTreeMap::new();
    for slice in slices {
        let lane = slice["tid"].as_u64().unwrap();
        assert!(lane > 0, "{slice}");
        let free = until.insert(lane, number(slice, "ts") + number(slice, "dur")).unwrap_or(0.0);
        assert!(free <= number(slice, "ts"), "{slice}");
    }
}

/// The counter says at every change how many slices there are then.
fn counted(slices: &[&Json], counts: &[&Json]) {
    for count in counts {
        let now = number(count, "ts");
        let open = |slice: &&&Json| {
            let (start, end) = (number(slice, "ts"), number(slice, "ts") + number(slice, "dur"));
            start <= now && now < end
        };
        assert_eq!(count["args"]["running"], slices.iter().filter(open).count(), "{count}");
    }
    assert_eq!(counts.is_empty(), slices.is_empty());
}

#[test]
fn a_trace_says_what_the_log_says() {
    let project = Project::with(&pipeline("echo 4"));
    assert_eq!(project.what_ran(&["--jobs", "2"]), ["a", "b", "c", "d"]);
    assert_eq!(agrees(&project, "1"), 4);
    let trace = trace(&project, "1");
    // `b` and `c` ran at once, on two lanes.
    let lanes = of(&trace, "M").iter().filter(|event| event["name"] == "thread_name").count();
    assert_eq!(lanes, 3);
    assert!(of(&trace, "C").iter().any(|count| count["args"]["running"] == 2));
    let process = of(&trace, "M")[0];
    assert_eq!(process["name"], "process_name");
    assert!(text(&process["args"], "name").starts_with("p 0001-"), "{process}");
    // The run itself is as long as it took.
    let whole = of(&trace, "X")[0];
    let end = log(&project, "1").pop().unwrap();
    assert_eq!((number(whole, "ts"), number(whole, "dur")), (0.0, micros(number(&end, "seconds"))));
}

#[test]
fn stages_from_the_cache_and_failed_ones_are_in_it() {
    let project = Project::with(&pipeline("echo 4"));
    project.run(&[]);
    // Nothing to do, answered at once; then the ordinary way.
    project.run(&[]);
    assert_eq!(agrees(&project, "2"), 0);
    project.run(&["--verbose"]);
    assert_eq!(agrees(&project, "3"), 0);
    assert_eq!(of(&trace(&project, "last"), "i").len(), 4);
    project.write("p.toml", pipeline("exit 3").replace("echo 2", "echo 5") + "[stages.e]\nkind = \"command\"\ncommand = [\"cat\", \"{inputs.rows}\"]\ninputs = { rows = \"d\" }\n");
    assert_eq!(project.run(&[]), ["a hit", "b ran", "c hit", "d failed", "e skipped"]);
    assert_eq!(agrees(&project, "4"), 2);
    let trace = trace(&project, "4");
    let failed = of(&trace, "X").into_iter().find(|slice| slice["name"] == "d").unwrap();
    assert_eq!((text(failed, "cat"), failed["args"]["error"].is_string()), ("failed", true));
    let because = &of(&trace, "X").into_iter().find(|slice| slice["name"] == "b").unwrap()["args"]["because"];
    assert_eq!(
        (text(&because[0], "cause"), text(&because[0], "name")),
        ("changed", "command.2"),
        "{because}"
    );
}

#[test]
fn a_trace_goes_to_a_file() {
    let project = Project::with(&pipeline("echo 4"));
    project.run(&[]);
    let printed = project.custem(&["runs", "trace"]).out;
    let ran = project.custem(&["runs", "trace", "last", "--output", "trace.json"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert_eq!(ran.err, "trace.json: open it at https://ui.perfetto.dev\n");
    assert_eq!(project.read("trace.json"), printed);
    let nowhere = project.custem(&["runs", "trace", "last", "--output", "no/trace.json"]);
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.err.starts_with("error: can't write `no/trace.json`: "), "{}", nowhere.err);
}

/// A record of a custem that wrote no times, and a run that isn't there.
#[test]
fn what_can_not_be_drawn_is_told() {
    let project = Project::with(&pipeline("echo 4"));
    project.run(&[]);
    let (log, text) = project.files("experiments/logs").remove(0);
    let strip = |line: &str| {
        let mut event: Json = serde_json::from_str(line).unwrap();
        event.as_object_mut().unwrap().remove("time");
        format!("{event}\n")
    };
    let old: String = std::str::from_utf8(&text).unwrap().lines().map(strip).collect();
    std::fs::write(&log, old).unwrap();
    let ran = project.custem(&["runs", "trace", "1"]);
    let name = log.file_stem().unwrap().to_string_lossy();
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.err,
        format!(
            "error: the times of stages in run `{name}` aren't recorded\nhint: an earlier custem recorded it; run the pipeline again\n"
        )
    );
    assert_eq!(project.custem(&["runs", "trace", "7"]).code, 2);
}
