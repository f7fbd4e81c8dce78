//! `why` and `plan` name what changed: the key or the flag, its values, its place.

use crate::project::Project;

const SIMULATED: &str = "
[pipeline]
seed = 20

[stages.rows]
kind = \"simulate\"
customers = 30
start = 2024-01-01
end = 2024-03-31
";

/// What `why` lists of a stage.
fn why(project: &Project, stage: &str) -> Vec<String> {
    let told = project.custem(&["why", stage]);
    told.out.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

/// What `plan` says of a stage.
fn planned(project: &Project, stage: &str, args: &[&str]) -> String {
    let plan = project.custem(&[&["plan", "p.toml"], args].concat()).out;
    let causes = |line: &str| {
        Some(line.trim().strip_prefix("must run")?.trim().strip_prefix(stage)?.trim().to_owned())
    };
    let said = plan.lines().find_map(causes).unwrap_or(plan);
    said.split("   about").next().unwrap_or_default().to_owned()
}

#[test]
fn a_changed_seed_is_named_where_it_stands() {
    let project = Project::with(SIMULATED);
    project.run(&[]);
    project.write("p.toml", SIMULATED.replace("seed = 20", "seed = 2"));
    assert_eq!(planned(&project, "rows", &[]), "pipeline.seed  20 -> 2  p.toml:3");
    project.run(&[]);
    assert_eq!(why(&project, "rows"), ["pipeline.seed  20 -> 2  p.toml:3"]);
    project.run(&["--set", "pipeline.seed=77"]);
    let flag = "pipeline.seed  2 -> 77  --set pipeline.seed=77 (p.toml:3 says 2)";
    assert_eq!(why(&project, "rows"), [flag]);
    project.run(&["--set", "rows.seed=79"]);
    assert_eq!(why(&project, "rows"), ["rows.seed  77 -> 79  --set rows.seed=79"]);
    project.write("p.toml", SIMULATED.replace("seed = 20", "").replace("kind", "seed = 8\nkind"));
    project.run(&[]);
    assert_eq!(why(&project, "rows"), ["rows.seed  79 -> 8  p.toml:6"]);
    project.write("p.toml", SIMULATED.replace("seed = 20", ""));
    assert_eq!(planned(&project, "rows", &[]), "pipeline.seed  8 -> 0  p.toml:2");
}

const JOINED: &str = "
[stages.a]
kind = \"command\"
command = [\"echo\", \"a\"]

[stages.b]
kind = \"command\"
command = [\"echo\", \"b\"]

[stages.both]
kind = \"command\"
command = [\"echo\", \"both\"]
inputs = { left = \"a\", right = \"b\" }
";

#[test]
fn an_input_that_came_or_went_or_leads_elsewhere_is_told_as_that() {
    let project = Project::with(JOINED);
    project.run(&[]);
    let change = |to: &str| {
        project.write("p.toml", JOINED.replace("{ left = \"a\", right = \"b\" }", to));
        let foretold = planned(&project, "both", &[]);
        project.run(&[]);
        let told = why(&project, "both");
        assert_eq!(told, [foretold.as_str()]);
        foretold
    };
    assert_eq!(change("{ left = \"a\" }"), "`both.inputs.right` was taken out  p.toml:10");
    assert_eq!(change("{ left = \"b\" }"), "both.inputs.left  a -> b  p.toml:13");
    assert_eq!(change("{}"), "`both.inputs.left` was taken out  p.toml:10");
    assert_eq!(change("{ more = \"a\" }"), "`both.inputs.more` was added: `a`  p.toml:13");
    // Another spelling of the same output is no change, and other bytes of it are told as such.
    project.write("p.toml", JOINED.replace("{ left = \"a\", right = \"b\" }", "{ more = \"a.stdout\" }"));
    assert!(project.what_ran(&[]).is_empty());
    project.run(&["--set", "a.command.1=other"]);
    let told = why(&project, "both");
    assert!(told[0].starts_with("inputs.more: `a` gave other bytes  ") && told.len() == 1, "{told:?}");
}

#[test]
fn an_input_that_leads_to_a_stage_that_is_yet_to_run_is_told_by_plan() {
    let project = Project::with(JOINED);
    project.run(&[]);
    let more = JOINED.replace("right = \"b\"", "right = \"c\"").replace("\"both\"", "\"BOTH\"");
    project.write("p.toml", format!("{more}\n[stages.c]\nkind = \"command\"\ncommand = [\"echo\", \"c\"]\n"));
    let told = "both.command.1  both -> BOTH  p.toml:12; both.inputs.right  b -> c  p.toml:13";
    assert_eq!(planned(&project, "both", &[]), told);
}

#[test]
fn a_list_of_another_length_is_one_value() {
    let project = Project::with(JOINED);
    project.run(&[]);
    assert_eq!(
        planned(&project, "a", &["--set", "a.command=[\"echo\", \"a\", \"b\"]"]),
        "a.command  [echo, a] -> [echo, a, b]  --set a.command=[\"echo\", \"a\", \"b\"] (p.toml:4 says [\"echo\", \"a\"])"
    );
    let file = planned(&project, "b", &["--set", "b.files=[\"p.toml\"]"]);
    assert!(file.starts_with("file p.toml  nothing -> "), "{file}");
}

const SWEPT: &str = r#"
[stages.rows]
kind = "simulate"
customers = 60
start = 2024-01-01
end = 2024-12-29

[stages.features]
kind = "features"
input = "rows"

[stages.s]
kind = "segment"
input = "features"

[sweep]
axes = { "s.k" = [5, 6] }
objective = "s.silhouette"
"#;

#[test]
fn a_leaderboard_tells_of_axes_and_of_variants() {
    let project = Project::with(SWEPT);
    project.run(&[]);
    project.write("p.toml", SWEPT.replace("[5, 6]", "[2, 3, 4]"));
    let told = "sweep.axes.\"s.k\"  [5, 6] -> [2, 3, 4]  p.toml:17";
    assert_eq!(planned(&project, "sweep", &[]), told);
    project.run(&[]);
    assert_eq!(why(&project, "sweep"), [told]);
    project.write("p.toml", SWEPT.replace("[5, 6]", "[2, 3, 4]").replace("customers = 60", "customers = 61"));
    project.run(&[]);
    let told = why(&project, "sweep");
    assert_eq!(told.len(), 3);
    assert!(told[0].starts_with("`s[k=2]` gave other bytes  "), "{told:?}");
}

#[test]
fn the_newest_run_that_has_the_stage_is_meant() {
    let project = Project::with(SIMULATED);
    project.run(&[]);
    let before = project.custem(&["why", "rows"]).out;
    std::fs::rename(project.path("cache"), project.path("kept")).unwrap();
    project.write("cache", "no folder");
    assert_eq!(project.custem(&["run", "p.toml"]).code, 1);
    std::fs::remove_file(project.path("cache")).unwrap();
    std::fs::rename(project.path("kept"), project.path("cache")).unwrap();
    let told = project.custem(&["why", "rows"]);
    assert_eq!(told.out, before);
    let run = |number: &str| {
        let names = project.files("experiments/logs").into_iter();
        let mut names = names.map(|(path, _)| path.file_stem().unwrap().to_string_lossy().into_owned());
        names.find(|name| name.starts_with(number)).unwrap()
    };
    let (first, second) = (run("0001"), run("0002"));
    let warning = format!(
        "warning: run {second} had no stage `rows`: this is of run {first}\nhint: `custem runs show {second}` says what it did\n"
    );
    assert_eq!(told.err, warning);
    assert_eq!(project.custem(&["show", "rows", "--csv"]).err, warning);
    assert_eq!(project.custem(&["show", "rows.transactions"]).err, warning);
    assert_eq!(
        project.custem(&["why", "nope"]).err,
        format!(
            "error: run {second} had no stage `nope`\nhint: it ended before any stage: `custem runs show {second}` says why\n"
        )
    );
}

#[test]
fn a_stage_with_variants_is_shown_one_at_a_time() {
    let project = Project::with(SWEPT);
    project.run(&[]);
    let told = project.custem(&["show", "s"]);
    let (message, hint) = told.err.split_once("\nhint: ").unwrap();
    assert!(message.starts_with("error: stage `s` has 2 variants in run 0001-"), "{message}");
    assert!(message.ends_with(", and one is shown at a time"), "{message}");
    assert_eq!(hint, "name one, such as `custem show 's[k=5]'`: there are `s[k=5]` and `s[k=6]`\n");
    let port = project.custem(&["show", "s.model"]).err;
    assert!(port.contains("hint: name one, such as `custem show 's[k=5].model'`: "), "{port}");
    assert_eq!(project.custem(&["show", "s[k=5].model"]).code, 0);
}

#[test]
fn runs_that_can_not_be_listed_are_not_called_none() {
    let project = Project::with(SIMULATED);
    project.write("experiments/logs", "no folder");
    let told = project.custem(&["runs", "list"]);
    let hint = "\nhint: a file stands where a folder should be: move it away, or work in another folder with `--root`\n";
    assert!(told.err.starts_with("error: can't list the recorded runs: "), "{}", told.err);
    assert!(told.code == 1 && told.out.is_empty() && told.err.ends_with(hint), "{}", told.err);
    assert!(project.custem(&["why", "rows"]).err.starts_with("error: can't list the recorded runs: "));
}
