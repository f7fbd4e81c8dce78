//! What a run's log says besides its stages: pipeline, commit, machine, data, what stages took, steps of metrics.

use serde_json::{Value as Json, json};

use crate::project::{Project, events, text};

const SEGMENTS: &str = "[pipeline]\nseed = 3\n\n[stages.rows]\nkind = \"simulate\"\ncustomers = 60\nstart = 2024-01-01\nend = 2024-12-29\n\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n\n[stages.segments]\nkind = \"segment\"\ninput = \"features\"\nk = 2\n";

fn run(project: &Project, args: &[&str]) -> Vec<Json> {
    let ran = project.custem(&[&["run", "p.toml", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    events(&project.log("last"))
}

fn the<'a>(events: &'a [Json], event: &str) -> &'a Json {
    let mut found = events.iter().filter(|line| line["event"] == event);
    let one = found.next().unwrap_or_else(|| panic!("no {event}"));
    assert!(found.next().is_none(), "several {event}");
    one
}

fn stage<'a>(events: &'a [Json], name: &str) -> &'a Json {
    let of = |line: &&Json| line["event"] == "stage_done" && line["stage"] == name;
    events.iter().find(of).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn what_a_run_rests_on_comes_second() {
    let project =
        Project::with(&format!("extends = \"base.toml\"\n{}", SEGMENTS.replace("seed = 3", "name = \"n\"")));
    project.write("base.toml", "[pipeline]\nseed = 3\n");
    let events = run(&project, &["--set", "segments.k=3"]);
    assert_eq!((text(&events[0], "event"), text(&events[1], "event")), ("run_started", "provenance"));
    let rests = &events[1];
    assert_eq!(rests["schema"], 1);
    assert_eq!(rests["lines"]["base.toml"]["pipeline.seed"], 2);
    assert_eq!(rests["lines"]["p.toml"]["rows.customers"], 7);
    assert_eq!(rests["lines"]["p.toml"].get("segments.k"), None);
    assert_eq!(rests["set"], json!({ "segments.k": "segments.k=3" }));
    let files: Vec<_> = rests["files"].as_array().unwrap().iter().map(|file| text(file, "file")).collect();
    assert_eq!(files, ["p.toml", "base.toml"]);
    let machine = &rests["machine"];
    assert!(machine["cores"].as_u64().unwrap() > 0 && text(machine, "os").starts_with(std::env::consts::OS));
    assert_eq!(machine["architecture"], std::env::consts::ARCH);
    // Outside of a repository there is no commit, and nobody asks for changed files.
    assert!(rests.get("git").is_none() && events.iter().all(|line| line["event"] != "work_tree"));
    // The text is the same in a run with nothing to do, and another one with another flag.
    let same = run(&project, &["--set", "segments.k=3"]);
    assert_eq!(same[1], *rests);
    let other = run(&project, &["--set", "segments.k=4"]);
    assert_ne!(other[1]["text"], rests["text"]);
}

#[test]
fn the_commit_is_recorded_and_whether_files_differ_from_it() {
    let project = Project::with(SEGMENTS);
    project.git(&["init", "--quiet"]);
    project.git(&["add", "p.toml"]);
    project.git(&["commit", "--quiet", "--message", "first"]);
    let first = run(&project, &[]);
    let commit = text(&the(&first, "provenance")["git"], "commit").to_owned();
    assert_eq!((commit.len(), text(&the(&first, "provenance")["git"], "branch")), (40, "main"));
    assert_eq!(*the(&first, "work_tree"), json!({ "event": "work_tree", "dirty": false, "changed": 0 }));
    // One that has nothing to do reads the commit anew, and leaves git alone.
    project.git(&["commit", "--quiet", "--allow-empty", "--message", "second"]);
    let still = run(&project, &[]);
    let now = text(&the(&still, "provenance")["git"], "commit").to_owned();
    assert_ne!(now, commit);
    assert!(still.iter().all(|line| line["event"] != "work_tree"));
    project.write("p.toml", SEGMENTS.replace("k = 2", "k = 3"));
    let dirty = run(&project, &[]);
    assert_eq!(*the(&dirty, "work_tree"), json!({ "event": "work_tree", "dirty": true, "changed": 1 }));
    let listed = events(&project.custem(&["runs", "list", "--json"]).out);
    assert_eq!((&listed[0]["commit"], &listed[0]["dirty"]), (&json!(now), &json!(true)));
    // Without git the commit is known all the same.
    let ran = project.custem_with(&["run", "p.toml", "--set", "segments.k=4"], &[("PATH", "/nowhere")]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let alone = events(&project.log("last"));
    assert_eq!(the(&alone, "provenance")["git"]["commit"], json!(now));
    assert!(alone.iter().all(|line| line["event"] != "work_tree"));
}

#[test]
fn nobody_waits_for_a_git_that_hangs() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::with(SEGMENTS);
    project.git(&["init", "--quiet"]);
    project.git(&["add", "p.toml"]);
    project.git(&["commit", "--quiet", "--message", "first"]);
    project.write("bin/git", "#!/bin/sh\nexec sleep 100000\n");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(project.path("bin/git"), mode).unwrap();
    let path = format!("{}:{}", project.path("bin").display(), std::env::var("PATH").unwrap());
    let ran = project.custem_with(&["run", "p.toml"], &[("PATH", &path)]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let log = events(&project.log("last"));
    assert!(log.iter().all(|line| line["event"] != "work_tree"));
    assert_eq!(log.last().unwrap()["ok"], true);
}

#[test]
fn the_data_version_follows_the_data_and_nothing_else() {
    let read = "[stages.read]\nkind = \"read\"\npath = \"in.csv\"\n";
    let project = Project::with(&format!("{SEGMENTS}\n{read}"));
    project.write("in.csv", "customer_id,date,amount\n1,2024-01-02,3.5\n2,2024-02-03,4.5\n");
    let version = |events: &[Json]| text(the(events, "data"), "version").to_owned();
    let first = run(&project, &[]);
    assert_eq!(version(&run(&project, &["--set", "segments.k=3"])), version(&first));
    assert_eq!(version(&run(&project, &[])), version(&first));
    let data = the(&first, "data");
    assert_eq!(data["files"], 1);
    let columns = &stage(&first, "features")["columns"]["features"];
    assert!(columns.as_array().unwrap().len() > 5, "{columns}");
    assert_eq!(data["features"]["features"], *columns);
    let sources = &stage(&first, "read")["sources"];
    assert_eq!((&sources["files"], text(&sources["named"], "in.csv").len()), (&json!(1), 64));
    project.write("in.csv", "customer_id,date,amount\n1,2024-01-02,3.5\n2,2024-02-03,4.75\n");
    let changed = run(&project, &[]);
    assert_ne!(version(&changed), version(&first));
    let other = run(&project, &["--set", "rows.customers=61"]);
    assert_ne!(version(&other), version(&changed));
}

#[test]
fn what_a_stage_took_is_recorded() {
    let busy = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
    let project = Project::with(&format!(
        "{SEGMENTS}\n[stages.busy]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"{busy}\"]\n"
    ));
    let first = run(&project, &[]);
    let (own, program) = (&stage(&first, "rows")["usage"], &stage(&first, "busy")["usage"]);
    assert_eq!((&own["of"], &program["of"]), (&json!("process"), &json!("program")));
    for usage in [own, program] {
        assert!(usage["cpu_seconds"].as_f64().unwrap() > 0.0, "{usage}");
        assert!(usage["peak_memory"].as_u64().unwrap() > 100_000, "{usage}");
    }
    // A shell is far smaller than custem.
    assert!(program["peak_memory"].as_u64() < own["peak_memory"].as_u64());
    // What it took when it ran is told when its result comes from the cache.
    let still = run(&project, &[]);
    assert_eq!((&stage(&still, "rows")["usage"], &stage(&still, "busy")["usage"]), (own, program));
}

#[test]
fn metrics_over_steps_are_recorded() {
    let churn = "[stages.churn]\nkind = \"churn\"\ninput = \"rows\"\nhorizon_days = 60\n";
    let more = SEGMENTS.replace("customers = 60", "customers = 200");
    let project = Project::with(&format!("{more}\n{churn}"));
    let events = run(&project, &[]);
    let curve = |stage: &str, metric: &str| -> Vec<(u64, f64)> {
        let of = |line: &&Json| {
            line["event"] == "stage_step" && line["stage"] == stage && line["metric"] == metric
        };
        let step = |line: &Json| (line["step"].as_u64().unwrap(), line["value"].as_f64().unwrap());
        events.iter().filter(of).map(step).collect()
    };
    let inertia = curve("segments", "inertia");
    assert!(inertia.len() > 1 && inertia[0].0 == 1, "{inertia:?}");
    let last = inertia.last().unwrap().1;
    let measured = stage(&events, "segments")["metrics"]["inertia"].as_f64().unwrap();
    assert!((last - measured).abs() < 1e-9 * measured, "{last} is not {measured}");
    let loss = curve("churn", "train_log_loss.boosted");
    assert_eq!(loss.len(), 200);
    assert!(loss[199].1 < loss[0].1, "{loss:?}");
    // How the chances lie, in bins that hold every customer.
    let churn = stage(&events, "churn");
    let lie = &churn["histograms"]["probability"];
    let numbers = |key: &str| {
        let list = lie[key].as_array().unwrap().iter();
        list.map(|number| number.as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (edges, counts) = (numbers("edges"), numbers("counts"));
    assert_eq!((edges.len(), counts.len()), (33, 32));
    assert!(edges.is_sorted() && edges[0] >= 0.0 && edges[32] <= 1.0, "{edges:?}");
    assert_eq!(counts.iter().sum::<f64>(), churn["metrics"]["customers"].as_f64().unwrap());
}
