//! Two runs compared, differences of metrics split among changes, and when a metric moved.

use std::fs;

use serde_json::Value as Json;

use crate::project::{Project, events, text};

const SHOP: &str = "[pipeline]\nname = \"shop\"\nseed = 3\n\n[stages.rows]\nkind = \"simulate\"\ncustomers = 80\nstart = 2024-01-01\nend = 2024-12-29\n\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n\n[stages.segments]\nkind = \"segment\"\ninput = \"features\"\nk = 3\nsave = \"out/segments.parquet\"\n\n[stages.profile]\nkind = \"profile\"\nfeatures = \"features\"\nsegments = \"segments\"\n";

fn run(project: &Project, args: &[&str]) -> String {
    let ran = project.custem(&[&["run", "p.toml", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    text(&events(&ran.out)[0], "run").to_owned()
}

fn diff(project: &Project, args: &[&str]) -> Json {
    let ran = project.custem(&[&["runs", "diff", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// A metric of a run.
fn metric(project: &Project, run: &str, name: &str) -> f64 {
    let (stage, metric) = name.split_once('.').unwrap();
    let log = events(&project.log(run));
    let of = |line: &&Json| line["event"] == "stage_done" && line["stage"] == stage;
    log.iter().find(of).unwrap()["metrics"][metric].as_f64().unwrap()
}

fn close(one: f64, two: f64) -> bool {
    (one - two).abs() <= 1e-12 * (1.0 + one.abs())
}

#[test]
fn changed_lines_are_told_with_what_they_did() {
    let project = Project::with(SHOP);
    run(&project, &[]);
    project.write("p.toml", SHOP.replace("k = 3", "# more of them\nk = 4"));
    run(&project, &[]);
    let told = project.custem(&["runs", "diff", "1", "2"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let lines: Vec<_> = told.out.lines().collect();
    assert_eq!(lines[0], "changed              p.toml:19  segments.k  3 -> 4");
    assert_eq!(lines[1], "reran because of it  segments, profile");
    assert!(lines[2].starts_with("other bytes          segments.assignments, "), "{}", lines[2]);
    let head: Vec<_> = lines[3].split_whitespace().collect();
    assert_eq!(head, ["metric", "0001", "0002", "difference"]);
    assert!(
        lines.iter().any(|line| line.starts_with("segments.k ") && line.ends_with("  +1")),
        "{}",
        told.out
    );
    // By a flag, back again, and left to a default.
    run(&project, &["--set", "segments.k=5"]);
    let shown = project.custem(&["runs", "show"]).out;
    assert!(shown.contains("\nwith --set segments.k=5\n"), "{shown}");
    let flag = project.custem(&["runs", "diff", "2", "3"]).out;
    assert!(
        flag.starts_with("changed              p.toml:19  segments.k  4 -> 5  (--set segments.k=5)\n"),
        "{flag}"
    );
    project.write("p.toml", SHOP.replace("k = 3\n", "k = 3\nn_init = 3\n"));
    run(&project, &[]);
    let default = diff(&project, &["1", "4"]);
    let change = &default["changes"][0];
    assert_eq!(
        (text(change, "name"), &change["old_place"], text(change, "place")),
        ("segments.n_init", &"default".into(), "p.toml:19")
    );
    let nothing = project.custem(&["runs", "diff", "1", "1"]).out;
    assert!(nothing.ends_with(" have the same values, bytes and metrics\n"), "{nothing}");
}

#[test]
fn sources_stages_and_the_seed_are_changes_too() {
    let read = "\n[stages.read]\nkind = \"read\"\npath = \"in.csv\"\n";
    let project = Project::with(&format!("{SHOP}{read}"));
    project.write("in.csv", "customer_id,date,amount\n1,2024-01-02,3.5\n2,2024-02-03,4.5\n");
    run(&project, &[]);
    project
        .write("in.csv", "customer_id,date,amount\n1,2024-01-02,3.75\n2,2024-02-03,4.5\n3,2024-02-03,4.5\n");
    run(&project, &[]);
    let told = project.custem(&["runs", "diff", "1", "2"]).out;
    assert!(
        told.starts_with("changed              in.csv  ")
            && told.contains("  (source file)\nreran because of it  read\n"),
        "{told}"
    );
    project.write("p.toml", SHOP);
    run(&project, &[]);
    let told = project.custem(&["runs", "diff", "2", "3"]).out;
    assert!(told.contains("stage read  read -> none\n"), "{told}");
    run(&project, &["--set", "pipeline.seed=4"]);
    let change = &diff(&project, &["3", "4"])["changes"][0];
    assert_eq!(text(change, "name"), "pipeline.seed");
    assert_eq!(change["stages"].as_array().unwrap().len(), 4, "{change}");
}

#[test]
fn a_difference_is_split_as_runs_by_hand_split_it() {
    let project = Project::with(SHOP);
    let sets = |k: &str, customers: &str| [format!("segments.k={k}"), format!("rows.customers={customers}")];
    let made = |k: &str, customers: &str| {
        let [k, customers] = sets(k, customers);
        run(&project, &["--set", &k, "--set", &customers])
    };
    let (old, new) = (made("3", "80"), made("5", "90"));
    let before = project.files("out");
    let found = diff(&project, &[&old, &new, "--attribute"]);
    // Nothing was saved, and no run recorded.
    assert_eq!(project.files("out"), before);
    assert_eq!(project.files("experiments/logs").len(), 2);
    let (only_k, only_customers) = (made("5", "80"), made("3", "90"));
    let names: Vec<_> =
        found["attribution"]["parts"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
    assert_eq!(names, ["rows.customers", "segments.k", "interaction"]);
    let shapley = diff(&project, &[&old, &new, "--attribute=shapley"]);
    for name in ["segments.silhouette", "segments.inertia", "segments.davies_bouldin"] {
        let value = |run: &str| metric(&project, run, name);
        let (a, b, k, customers) = (value(&old), value(&new), value(&only_k), value(&only_customers));
        let share = |found: &Json, at: usize| found["attribution"]["shares"][name][at].as_f64().unwrap();
        assert!(close(share(&found, 0), customers - a), "{name}: {found}");
        assert!(close(share(&found, 1), k - a), "{name}: {found}");
        assert!(close(share(&found, 2), b - k - customers + a), "{name}: {found}");
        assert!(close(share(&shapley, 0), ((customers - a) + (b - k)) / 2.0), "{name}: {shapley}");
        assert!(close(share(&shapley, 1), ((k - a) + (b - customers)) / 2.0), "{name}: {shapley}");
    }
    // Made a second time, everything comes from the cache.
    let again = diff(&project, &[&old, &new, "--attribute"]);
    assert_eq!((&again["attribution"]["computed"], &again["attribution"]["runs"]), (&0.into(), &4.into()));
    // What the cache has lost is computed again.
    fs::remove_dir_all(project.path("cache/objects")).unwrap();
    let healed = diff(&project, &[&old, &new, "--attribute"]);
    assert_eq!(healed["attribution"]["shares"], found["attribution"]["shares"]);
    assert!(healed["attribution"]["computed"].as_u64() > Some(0), "{healed}");
    let text = project.custem(&["runs", "diff", &old, &new, "--attribute"]).out;
    assert!(
        text.contains("  of which rows.customers  of which segments.k  of which interaction\n"),
        "{text}"
    );
    assert!(text.ends_with("each change was made alone; interaction is what they do only together (4 runs, 0 stages computed)\n"), "{text}");
}

#[test]
fn a_changed_source_is_a_part_of_its_own() {
    let shop = SHOP.replace(
        "kind = \"simulate\"\ncustomers = 80\nstart = 2024-01-01\nend = 2024-12-29",
        "kind = \"read\"\npath = \"in.csv\"",
    );
    let project = Project::with(&shop);
    let rows = |more: u32| {
        let row = |at: u32| {
            format!(
                "{},2024-{:02}-{:02},{}.5\n",
                at % 40,
                1 + at % 12,
                1 + at % 28,
                1 + (at * at + more) % 97
            )
        };
        format!("customer_id,txn_timestamp,amount\n{}", (0..400).map(row).collect::<String>())
    };
    project.write("in.csv", rows(0));
    let old = run(&project, &[]);
    project.write("in.csv", rows(5));
    let new = run(&project, &["--set", "segments.k=4"]);
    let found = diff(&project, &[&old, &new, "--attribute"]);
    assert_eq!(found["attribution"]["parts"], serde_json::json!(["segments.k", "in.csv"]));
    // By hand: the new file with the old k.
    let only_file = run(&project, &[]);
    let name = "segments.inertia";
    let shares = &found["attribution"]["shares"][name];
    let [a, b, f] = [&old, &new, &only_file].map(|run| metric(&project, run, name));
    assert!(close(shares[0].as_f64().unwrap(), b - f), "{shares}");
    assert!((shares[1].as_f64().unwrap() - (f - a)).abs() < 1e-9 * (a.abs() + 1.0), "{shares}");
    project.write("in.csv", rows(9));
    let other = project.custem(&["runs", "diff", &old, &new, "--attribute"]);
    let told = "error: the files that `rows` reads are others than in either run\nhint: changes can be made anew only over the data of one of the two runs: put the files back as they were\n";
    assert_eq!((other.code, other.err.as_str()), (2, told));
}

#[test]
fn what_can_not_be_compared_is_said() {
    let project = Project::with(SHOP);
    let one = run(&project, &[]);
    let unknown = project.custem(&["runs", "diff", "1", "0001-brisk-hero"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.starts_with("error: there is no run `0001-brisk-hero`\nhint: "), "{}", unknown.err);
    project.write("p.toml", SHOP.replace("name = \"shop\"", "name = \"other\""));
    let two = run(&project, &[]);
    let told = project.custem(&["runs", "diff", "1", "2"]).out;
    assert!(told.starts_with("these are runs of two pipelines: `shop` and `other`\n"), "{told}");
    let refused = project.custem(&["runs", "diff", "1", "2", "--attribute"]);
    let told = format!(
        "error: run {one} ran `shop` and run {two} ran `other`\nhint: changes can be told apart between runs of one pipeline\n"
    );
    assert_eq!((refused.code, refused.err), (2, told));
    // Damaged lines are passed over.
    let path = project.path(&format!("experiments/logs/{two}.jsonl"));
    let log = fs::read_to_string(&path).unwrap();
    fs::write(&path, log.replace("{\"event\":\"provenance\"", "{\"event\":\"prov")).unwrap();
    let told = project.custem(&["runs", "diff", "1", "2"]).out;
    // Where a record doesn't tell places, nothing is taken for a default.
    assert!(told.contains("changed              p.toml:2  pipeline.name  shop -> other\n"), "{told}");
    fs::remove_file(project.path(&format!("experiments/configs/{two}.toml"))).unwrap();
    assert_eq!(project.custem(&["runs", "diff", "1", "2"]).code, 1);
}

#[test]
fn variants_of_a_sweep_are_compared_by_their_stages() {
    let sweep = "\n[sweep]\naxes = { \"segments.k\" = [3, 4] }\nobjective = \"segments.silhouette\"\n";
    let project = Project::with(&format!("{SHOP}{sweep}"));
    let run = run(&project, &[]);
    let variants = [format!("{run}.01"), format!("{run}.02")];
    let found = diff(&project, &[&variants[0], &variants[1], "--attribute"]);
    let change = &found["changes"][0];
    assert_eq!((text(change, "name"), text(change, "old"), text(change, "new")), ("segments.k", "3", "4"));
    assert_eq!(change["stages"], serde_json::json!(["segments", "profile"]));
    assert_eq!(text(change, "place"), "p.toml:27");
    assert_eq!(found["attribution"]["shares"]["segments.k"], serde_json::json!([1.0]));
    let whole = project.custem(&["runs", "diff", &run, &run, "--attribute"]);
    let told = format!(
        "error: run {run} is a sweep\nhint: name two of its variants: `custem runs diff {run}.01 {run}.02`\n"
    );
    assert_eq!((whole.code, whole.err), (2, told));
}

#[test]
fn a_move_of_a_metric_is_found_with_its_line() {
    let project = Project::with(SHOP);
    run(&project, &[]);
    run(&project, &["--force", "segments"]);
    project.write("p.toml", SHOP.replace("k = 3", "k = 4"));
    run(&project, &[]);
    run(&project, &[]);
    run(&project, &["--set", "rows.customers=90"]);
    let told = project.custem(&["runs", "bisect", "segments.inertia"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let lines: Vec<_> = told.out.lines().collect();
    assert_eq!(lines[0], "segments.inertia moved 2 times in 5 runs of `shop`");
    assert!(lines[1].starts_with("0003-"), "{}", told.out);
    assert_eq!(lines[2], "  p.toml:18  segments.k  3 -> 4");
    assert!(lines[3].starts_with("0005-"), "{}", told.out);
    assert_eq!(lines[4], "  p.toml:7  rows.customers  80 -> 90  (--set rows.customers=90)");
    let some = project.custem(&["runs", "bisect", "segments.inertia", "--from", "3", "--to", "4"]).out;
    assert!(some.starts_with("segments.inertia hasn't moved in 2 runs of `shop`: it is "), "{some}");
    let json = events(&project.custem(&["runs", "bisect", "segments.k", "--json"]).out);
    assert_eq!((json.len(), &json[0]["old"], &json[0]["new"]), (1, &3.0.into(), &4.0.into()));
    let wrong = project.custem(&["runs", "bisect", "segments.inertai"]);
    let told = "error: no run has a metric `segments.inertai`\nhint: did you mean `segments.inertia`?\n";
    assert_eq!((wrong.code, wrong.err.as_str()), (2, told));
    let turned = project.custem(&["runs", "bisect", "segments.k", "--from", "4", "--to", "2"]);
    assert!(turned.err.ends_with("hint: `--from` takes the earlier one\n"), "{}", turned.err);
}
