//! Recorded runs: listed, chosen by conditions, ranked, exported, noted, removed, run again.

use std::fs;

use serde_json::json;

use crate::project::{Project, events, text};

const SEGMENTS: &str = "[pipeline]\nname = \"shop\"\nseed = 3\n\n[stages.rows]\nkind = \"simulate\"\ncustomers = 60\nstart = 2024-01-01\nend = 2024-12-29\n\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n\n[stages.segments]\nkind = \"segment\"\ninput = \"features\"\nk = 2\nsave = \"out/segments.parquet\"\n";

/// A project with runs of k = 2, 3 and 4, and one that failed.
fn project() -> Project {
    let project = Project::with(SEGMENTS);
    for k in ["2", "3", "4", "200"] {
        project.custem(&["run", "p.toml", "--set", &format!("segments.k={k}")]);
    }
    project
}

/// The numbers of the runs that a command lists as JSON.
fn listed(project: &Project, args: &[&str]) -> Vec<String> {
    let ran = project.custem(&[&["runs", "list", "--json"], args].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
    events(&ran.out).iter().map(|run| text(run, "run")[..4].to_owned()).collect()
}

#[test]
fn conditions_choose_runs() {
    let project = project();
    assert_eq!(listed(&project, &[]), ["0004", "0003", "0002", "0001"]);
    let chosen = |condition: &str| listed(&project, &["--where", condition]);
    assert_eq!(chosen("status = failed"), ["0004"]);
    assert_eq!(chosen("params.segments.k >= 3 and status = done"), ["0003", "0002"]);
    assert_eq!(chosen("metrics.segments.k = 2 or metrics.segments.k = 4"), ["0003", "0001"]);
    assert_eq!(chosen("not (metrics.segments.silhouette > -2)"), ["0004"]);
    assert_eq!(chosen("time > 2001-01-01 and pipeline = shop and ran > 2"), ["0001"]);
    assert_eq!(chosen("time < 2001-01-01"), [""; 0]);
    assert_eq!(project.custem(&["runs", "list", "--where", "ran > 99"]).out, "no run is like that\n");
    let wrong = project.custem(&["runs", "list", "--where", "metrics.segments.silhuette > 0.4"]);
    assert_eq!(
        (wrong.code, wrong.err.as_str()),
        (
            2,
            "error: no run has `metrics.segments.silhuette`\n --> --where:1:1\n  |\n1 | metrics.segments.silhuette > 0.4\n  | ^^^^^^^^^^^^^^^^^^^^^^^^^^\n  |\nhint: did you mean `metrics.segments.silhouette`?\n1 error\n"
        )
    );
}

#[test]
fn the_index_follows_the_logs() {
    let project = project();
    let all = |project: &Project| listed(project, &["--count", "1000"]);
    assert_eq!(all(&project).len(), 4);
    // Runs that come, notes, and logs that go or are damaged.
    project.custem(&["run", "p.toml", "--set", "segments.k=5"]);
    assert_eq!(all(&project), ["0005", "0004", "0003", "0002", "0001"]);
    project.custem(&["runs", "note", "2", "the", "best", "one"]);
    assert_eq!(listed(&project, &["--where", "note = 'the best one'"]), ["0002"]);
    let path = project.files("experiments/logs")[2].0.clone();
    let log = fs::read_to_string(&path).unwrap();
    fs::write(&path, log.replace("\"segments\",\"kind\"", "\"segments\", damaged")).unwrap();
    assert_eq!(listed(&project, &["--where", "metrics.segments.k > 2"]), ["0005", "0002"]);
    fs::remove_file(&path).unwrap();
    assert_eq!(all(&project), ["0005", "0004", "0002", "0001"]);
    // A damaged index is made anew, and one that can't be written is done without.
    project.write("experiments/index", "nonsense");
    assert_eq!(all(&project), ["0005", "0004", "0002", "0001"]);
    fs::remove_file(project.path("experiments/index")).unwrap();
    fs::create_dir(project.path("experiments/index")).unwrap();
    assert_eq!(all(&project), ["0005", "0004", "0002", "0001"]);
}

#[test]
fn runs_are_ranked_by_a_metric() {
    let project = project();
    let best = |args: &[&str]| {
        let ran = project.custem(&[&["runs", "best"], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let lines = best(&["segments.k"]);
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines[0], "segments.k, the highest first");
    let starts: Vec<_> = lines[1..].iter().map(|line| &line[..4]).collect();
    assert_eq!(starts, ["0003", "0002", "0001"]);
    let lowest = events(&best(&["segments.k", "--goal", "min", "--json", "-n", "1"]));
    assert_eq!((lowest.len(), &lowest[0]["value"]), (1, &json!(2.0)));
    assert_eq!(best(&["segments.k", "--where", "status = failed"]), "none of these runs has `segments.k`\n");
    let wrong = project.custem(&["runs", "best", "segments.silhuette"]);
    let told = "error: no run has a metric `segments.silhuette`\nhint: did you mean `segments.silhouette`?\n";
    assert_eq!((wrong.code, wrong.err.as_str()), (2, told));
}

#[test]
fn runs_are_exported_one_row_each() {
    let project = project();
    let csv = project.custem(&["runs", "export"]).out;
    let mut table = csv::Reader::from_reader(csv.as_bytes());
    let names = table.headers().unwrap().clone();
    let at = |name: &str| {
        names.iter().position(|own| own == name).unwrap_or_else(|| panic!("{name} of {names:?}"))
    };
    let rows: Vec<_> = table.records().map(Result::unwrap).collect();
    let column = |name: &str| rows.iter().map(|row| row[at(name)].to_owned()).collect::<Vec<_>>();
    assert_eq!(column("params.segments.k"), ["2", "3", "4", "200"]);
    assert_eq!(column("metrics.segments.k"), ["2", "3", "4", ""]);
    assert_eq!(column("status"), ["done", "done", "done", "failed"]);
    assert_eq!(column("params.rows.start")[0], "2024-01-01");
    let json = events(&project.custem(&["runs", "export", "--format", "json", "--where", "ran = 3"]).out);
    assert_eq!((json.len(), &json[0]["params"]["segments.k"]), (1, &json!(2.0)));
    let asked = project.custem(&["runs", "export", "--format", "parquet"]);
    let told = "error: Parquet isn't for a terminal\nhint: name a file: `--output runs.parquet`\n";
    assert_eq!((asked.code, asked.err.as_str()), (2, told));
    let written = project.custem(&["runs", "export", "--format", "parquet", "--output", "runs.parquet"]);
    assert_eq!((written.code, written.err.as_str()), (0, "runs.parquet: 4 runs\n"));
    assert!(fs::read(project.path("runs.parquet")).unwrap().starts_with(b"PAR1"));
}

#[test]
fn the_list_is_printed_as_csv_too() {
    let project = project();
    project.custem(&["runs", "note", "last", "too many, \"I think\""]);
    let csv = project.custem(&["runs", "list", "--csv", "-n", "1"]).out;
    let mut reader = csv.lines();
    assert!(reader.next().unwrap().starts_with("run,pipeline,file,time,status,ran,hit,failed,seconds,"));
    let row = reader.next().unwrap();
    assert!(row.starts_with("0004-") && row.contains(",shop,p.toml,"), "{row}");
    assert!(row.contains(",failed,0,2,1,") && row.contains("\"too many, \"\"I think\"\"\""), "{row}");
    let shown = project.custem(&["runs", "list", "-n", "1"]).out;
    assert!(shown.lines().next().unwrap().ends_with("   too many, \"I think\""), "{shown}");
}

#[test]
fn a_note_is_an_event_of_the_log() {
    let project = project();
    let noted = project.custem(&["runs", "note", "1", "first\ntry"]);
    assert_eq!((noted.code, noted.out.as_str()), (0, ""));
    assert!(noted.err.starts_with("run 0001-") && noted.err.ends_with(": noted\n"), "{}", noted.err);
    let shown = events(&project.custem(&["runs", "show", "1", "--json"]).out);
    let last = shown.last().unwrap();
    assert_eq!((text(last, "event"), text(last, "text")), ("run_note", "first\ntry"));
    // Behind a line that was torn off, too.
    let path = project.files("experiments/logs")[0].0.clone();
    let log = fs::read_to_string(&path).unwrap();
    fs::write(&path, log.trim_end()).unwrap();
    project.custem(&["runs", "note", "1", "second"]);
    let shown = events(&project.custem(&["runs", "show", "1", "--json"]).out);
    let notes: Vec<_> =
        shown.iter().filter(|event| event["event"] == "run_note").map(|event| text(event, "text")).collect();
    assert_eq!(notes, ["first\ntry", "second"]);
    let empty = project.custem(&["runs", "note", "1", " "]);
    let told =
        "error: the note is empty\nhint: write what is to be said: `custem runs note last \"first try\"`\n";
    assert_eq!((empty.code, empty.err.as_str()), (2, told));
}

#[test]
fn removed_runs_are_gone_and_their_numbers_are_not_given_again() {
    let project = project();
    let unknown = project.custem(&["runs", "rm", "2", "17"]);
    let told = "error: there is no run `17`\nhint: `custem runs list` lists them\n";
    assert_eq!((unknown.code, unknown.err.as_str()), (2, told));
    assert_eq!(listed(&project, &[]).len(), 4);
    let removed = project.custem(&["runs", "rm", "2", "last", "2"]);
    assert_eq!((removed.code, removed.err.matches(": removed\n").count()), (0, 2));
    assert_eq!(listed(&project, &[]), ["0003", "0001"]);
    assert_eq!(project.files("experiments/configs").len(), 2);
    project.custem(&["run", "p.toml"]);
    assert_eq!(listed(&project, &[]), ["0005", "0003", "0001"]);
    // One that may be going on stays.
    let path = project.files("experiments/logs")[0].0.clone();
    let log = fs::read_to_string(&path).unwrap();
    let begun: Vec<_> = log.lines().take(3).collect();
    fs::write(&path, begun.join("\n") + "\n").unwrap();
    let going = project.custem(&["runs", "rm", "1"]);
    assert_eq!(going.code, 2);
    assert!(going.err.ends_with("isn't over: it was written to within the last minute\nhint: wait for it, or remove it all the same with `--force`\n"), "{}", going.err);
    assert_eq!(project.custem(&["runs", "rm", "1", "--force"]).code, 0);
}

#[test]
fn a_sweep_goes_with_its_variants() {
    let project = Project::with(&format!(
        "{SEGMENTS}\n[sweep]\naxes = {{ \"segments.k\" = [2, 3] }}\nobjective = \"segments.silhouette\"\n"
    ));
    project.custem(&["run", "p.toml"]);
    assert_eq!(listed(&project, &["--variants"]).len(), 3);
    assert_eq!(listed(&project, &["--variants", "--where", "params.segments.k = 3"]).len(), 1);
    let removed = project.custem(&["runs", "rm", "last"]);
    assert!(removed.err.ends_with(": removed with 2 variants\n"), "{}", removed.err);
    assert_eq!(project.files("experiments/logs").len() + project.files("experiments/configs").len(), 0);
}

#[test]
fn a_run_is_run_again_and_compared() {
    let project = project();
    let source = "[stages.read]\nkind = \"read\"\npath = \"in.csv\"\n";
    project.write("in.csv", "customer_id,date,amount\n1,2024-01-02,3.5\n2,2024-02-03,4.5\n");
    project.write("p.toml", format!("{SEGMENTS}\n{source}"));
    project.custem(&["run", "p.toml", "--set", "segments.k=3"]);
    project.write("p.toml", SEGMENTS);
    let again = project.custem(&["runs", "rerun", "last"]);
    assert_eq!(again.code, 0, "{}", again.err);
    let last = again.err.lines().last().unwrap();
    assert!(last.contains(" artifacts as in run 0005-") && last.ends_with(", byte by byte"), "{last}");
    assert_eq!(listed(&project, &["--where", "params.segments.k = 3"]), ["0006", "0005", "0002"]);
    project.write("in.csv", "customer_id,date,amount\n1,2024-01-02,3.75\n2,2024-02-03,4.5\n");
    let other = project.custem(&["runs", "rerun", "5"]);
    assert_eq!(other.code, 0, "{}", other.err);
    assert!(
        other.err.contains(" differ from run 0005-") && other.err.ends_with("  `in.csv` has changed since\n"),
        "{}",
        other.err
    );
    fs::remove_dir_all(project.path("experiments/configs")).unwrap();
    let gone = project.custem(&["runs", "rerun", "5"]);
    assert_eq!(gone.code, 2);
    assert!(
        gone.err.contains("has no pipeline: `")
            && gone.err.ends_with("hint: `custem run` runs the pipeline's own file\n"),
        "{}",
        gone.err
    );
}
