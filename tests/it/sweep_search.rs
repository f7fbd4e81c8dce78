//! Strategies of a sweep: waves, what they choose, and that nothing is lost or repeated.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::project::{Project, binary, events, text};

/// A stage whose metric is a function of two numbers, with a line in `count` for each time that it ran.
const STAGES: &str = r#"
[pipeline]
seed = 5

[stages.f]
kind = "command"
command = ["sh", "-c", "echo ran >> $COUNT; awk -v x=$X -v y=$Y 'BEGIN { printf \"{\\\"loss\\\": %f, \\\"size\\\": %f}\", (x-30)*(x-30)+(y-8)*(y-8), x+y }' > m.json"]
outputs = { metrics = "m.json" }
env = { X = "1", Y = "1", COUNT = "FOLDER/count" }
"#;

fn texts(from: u32, to: u32) -> String {
    let all: Vec<_> = (from..=to).map(|x| format!("\"{x}\"")).collect();
    format!("[{}]", all.join(", "))
}

fn project(lines: &str) -> Project {
    let project = Project::with("");
    write(&project, lines);
    project
}

fn write(project: &Project, lines: &str) {
    let stages = STAGES.replace("FOLDER", project.path("").to_str().unwrap().trim_end_matches('/'));
    project.write("p.toml", format!("{stages}\n[sweep]\n{lines}\n"));
}

/// How often the stage ran.
fn count(project: &Project) -> usize {
    project.read("count").lines().count()
}

/// The stages of a run by their ends, in the order in which they were added.
fn tried(project: &Project, args: &[&str]) -> Vec<String> {
    let ran = project.custem(&[&["run", "p.toml", "--json"], args].concat());
    let board = events(&ran.out).into_iter().find(|event| event["event"] == "leaderboard");
    let board = board.unwrap_or_else(|| panic!("{}{}", ran.out, ran.err));
    let mut rows: Vec<_> = board["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["number"].as_u64().unwrap(), text(row, "variant").to_owned()))
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, variant)| variant).collect()
}

fn tpe(most: usize) -> String {
    format!(
        "axes = {{ \"f.env.X\" = {}, \"f.env.Y\" = {} }}\nobjective = \"f.loss\"\ngoal = \"min\"\nstrategy = \"tpe\"\nstartup = 6\nmax_variants = {most}",
        texts(1, 40),
        texts(1, 10)
    )
}

#[test]
fn a_search_is_the_same_at_any_number_of_threads_and_goes_on_where_it_was() {
    let whole = project(&tpe(18));
    let all = tried(&whole, &["--jobs", "1"]);
    assert_eq!((all.len(), count(&whole)), (18, 18));
    let other = project(&tpe(18));
    assert_eq!(tried(&other, &["--jobs", "4"]), all);
    // One that was stopped in the middle suggests the same and computes nothing again.
    let part = project(&tpe(10));
    assert_eq!(tried(&part, &[]), all[..10]);
    write(&part, &tpe(18));
    assert_eq!((tried(&part, &[]), count(&part)), (all.clone(), 18));
    assert_eq!((tried(&part, &[]), count(&part)), (all, 18));
}

/// What was over when the process was killed isn't run again, and the search goes on as if nothing had been.
#[test]
fn a_search_that_was_killed_goes_on() {
    let whole = project(&tpe(18));
    let all = tried(&whole, &[]);
    let killed = project(&tpe(18));
    let mut command = binary();
    command.current_dir(killed.path("")).args(["run", "p.toml", "--json", "--jobs", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ends = lines.map(Result::unwrap).filter(|line| line.contains("\"stage_done\""));
    assert_eq!(ends.take(9).count(), 9);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(tried(&killed, &[]), all);
    let count = count(&killed);
    assert!((18..=19).contains(&count), "{count}: the one that was running runs again, no other");
}

#[test]
fn a_wave_is_told_once() {
    let project = project(&tpe(14));
    let ran = project.custem(&["run", "p.toml", "--json"]);
    let ends: Vec<_> = events(&ran.out).into_iter().filter(|event| event["event"] == "stage_done").collect();
    assert_eq!(ends.len(), 15, "14 variants and the leaderboard");
    let last = events(&ran.out).pop().unwrap();
    assert_eq!((&last["ran"], &last["hit"]), (&15.into(), &0.into()));
    let again = events(&project.custem(&["run", "p.toml", "--json"]).out).pop().unwrap();
    assert_eq!((&again["ran"], &again["hit"]), (&0.into(), &15.into()));
}

/// What is only wanted for the leaderboard still tells the search how good it is.
#[test]
fn a_search_up_to_its_leaderboard_is_the_whole_search() {
    let whole = project(&tpe(14));
    let all = tried(&whole, &[]);
    let until = project(&tpe(14));
    assert_eq!(tried(&until, &["--until", "f", "--until", "sweep"]), all);
    let board = project(&tpe(14));
    assert_eq!(tried(&board, &["--until", "sweep"]), all);
}

#[test]
fn halving_gives_the_best_more() {
    let lines = "axes = { \"s.k\" = [2, 3, 4, 5, 6, 7, 8, 9, 10] }\nobjective = \"s.silhouette\"\nstrategy = \"halving\"\nbudget = { \"s.n_init\" = { from = 1, to = 9 } }\neta = 3";
    let stages = "[stages.rows]\nkind = \"simulate\"\ncustomers = 60\nstart = 2024-01-01\nend = 2024-12-29\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n[stages.s]\nkind = \"segment\"\ninput = \"features\"\n";
    let project = Project::with(&format!("{stages}[sweep]\n{lines}\n"));
    let all = tried(&project, &[]);
    let rung = |budget: &str| all.iter().filter(|label| label.ends_with(budget)).count();
    assert_eq!((rung("n_init=1"), rung("n_init=3"), rung("n_init=9")), (9, 3, 1), "{all:?}");
    let table = project.custem(&["show", "sweep", "--csv"]).out;
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split('"').collect()).collect();
    assert!(rows[0][1].ends_with("n_init=9"), "the one with the largest budget comes first: {table}");
    let values = |budget: &str| {
        let of = table.lines().filter(|line| line.contains(&format!("n_init={budget}\"")));
        of.map(|line| line.rsplit(',').next().unwrap().parse::<f64>().unwrap()).collect::<Vec<_>>()
    };
    assert!(values("1").windows(2).all(|pair| pair[0] >= pair[1]), "{table}");
    assert_eq!(project.what_ran(&[]), Vec::<String>::new());
}

#[test]
fn failed_variants_do_not_stop_a_search() {
    let lines = tpe(16).replace("\"3\"", "\"bad\"");
    let project = project(&lines);
    project.write("count", "");
    let stages = project.read("p.toml").replace("echo ran", "test $X != bad || exit 3; echo ran");
    project.write("p.toml", stages);
    let all = tried(&project, &[]);
    assert_eq!(all.len(), 16);
}

#[test]
fn a_sweep_is_given_on_the_command_line() {
    let project = Project::with("");
    write(&project, "");
    let stages = project.read("p.toml").replace("[sweep]\n", "");
    project.write("p.toml", stages);
    let ran = project.custem(&[
        "sweep",
        "p.toml",
        "--axis",
        "f.env.X=\"20\",\"30\",\"40\"",
        "--axis",
        "f.env.Y=[\"8\", \"9\"]",
        "--objective",
        "f.loss",
        "--goal",
        "min",
        "--best",
        "best.toml",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let board = "  rank  variant    f.loss\n     1  X=30, Y=8  0.0000\n     2  X=30, Y=9  1.0000\n     3  X=20, Y=8  100.0000\n     4  X=40, Y=8  100.0000\n     5  X=20, Y=9  101.0000\n     6  X=40, Y=9  101.0000\n  the best as a pipeline: best.toml\n";
    assert!(ran.err.contains(board), "{}", ran.err);
    assert!(project.read("best.toml").starts_with("# The best variant of run 0001-"));
    // What the best one gave is in the cache.
    let again = project.custem(&["run", "best.toml", "--json"]);
    let last = events(&again.out).pop().unwrap();
    assert_eq!((&last["ran"], &last["hit"]), (&0.into(), &1.into()), "{}", again.err);
    let itself =
        ["sweep", "./p.toml", "--axis", "f.env.X=[\"1\"]", "--objective", "f.loss", "--best", "p.toml"];
    let over = "error: the best variant would be written over `p.toml`, of which this pipeline is read\n --> --best:1:1\n  |\n1 | p.toml\n  | ^^^^^^\n  |\nhint: name another file, such as `pipelines/best.toml`\n1 error\n";
    assert_eq!(project.custem(&itself).err, over);
    project.write("data", "a file");
    let nowhere = project.custem(&[&itself[..itself.len() - 1], &["data/best.toml"]].concat());
    assert!(
        nowhere.err.contains("warning: can't write the best variant to `data/best.toml`: "),
        "{}",
        nowhere.err
    );
    assert!(nowhere.err.contains("1 ran") || nowhere.err.contains("from cache"), "{}", nowhere.err);
    let wrong = project.custem(&["sweep", "p.toml", "--axis", "f.evn.X=2..3", "--objective", "f.loss"]);
    let message = "error: unknown key `evn` in stage `f`\n --> --axis:1:1\n  |\n1 | f.evn.X=2..3\n  | ^^^^^^^\n  |\nhint: did you mean `env`? `custem kinds command` lists all keys\n1 error\n";
    assert_eq!((wrong.code, wrong.err.as_str()), (2, message));
    let none = project.custem(&["sweep", "p.toml", "--axis", "f.env.X", "--objective", "f.loss"]);
    assert!(none.err.contains("error: `--axis f.env.X` has no `=`\n"), "{}", none.err);
}

#[test]
fn several_objectives_have_a_front() {
    let lines = format!(
        "axes = {{ \"f.env.X\" = [\"10\", \"20\", \"30\"], \"f.env.Y\" = {} }}\nobjectives = [{{ metric = \"f.loss\", goal = \"min\" }}, {{ metric = \"f.size\", goal = \"min\" }}]",
        texts(7, 8)
    );
    let project = project(&lines);
    let ran = project.custem(&["run", "p.toml"]);
    let board = "  rank  front  variant    f.loss    f.size\n     1  *      X=30, Y=8  0.0000    38.0000\n     2  *      X=30, Y=7  1.0000    37.0000\n     3  *      X=20, Y=8  100.0000  28.0000\n     4  *      X=20, Y=7  101.0000  27.0000\n     5  *      X=10, Y=8  400.0000  18.0000\n     6  *      X=10, Y=7  401.0000  17.0000\n";
    assert!(ran.err.contains(board), "{}", ran.err);
    let table = project.custem(&["show", "sweep", "--csv"]).out;
    assert_eq!(table.lines().next().unwrap(), "rank,variant,f.env.X,f.env.Y,front,f.size,f.loss");
    write(&project, &lines.replace("f.size\", goal = \"min\"", "f.size\", goal = \"max\""));
    let ran = project.custem(&["run", "p.toml"]);
    assert!(
        ran.err.contains("     1  *      X=30, Y=8  0.0000    38.0000\n     2         X=30, Y=7"),
        "{}",
        ran.err
    );
}

#[test]
fn seeds_have_a_mean_and_an_interval() {
    let lines = "axes = { \"f.env.X\" = [\"30\", \"31\"] }\nrepeat = { \"f.env.Y\" = [\"7\", \"8\", \"9\"] }\nobjective = \"f.loss\"\ngoal = \"min\"";
    let project = project(lines);
    let ran = project.custem(&["run", "p.toml"]);
    // Losses 1, 0, 1: mean 2/3, s = 0.5774, t(2) = 4.3027.
    let board = "  rank  variant  f.loss\n     1  X=30     0.6667 ± 1.4342 (3 seeds)\n     2  X=31     1.6667 ± 1.4342 (3 seeds)\n";
    assert!(ran.err.contains(board), "{}", ran.err);
    let table = project.custem(&["show", "sweep", "--csv"]).out;
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows[0], "rank,variant,f.env.X,seeds,f.loss.low,f.loss.high,f.loss");
    assert!(rows[1].starts_with("1,X=30,30,3,-0.767"), "{table}");
    assert_eq!(project.files("experiments/configs").len(), 7, "each seed has its record");
}

#[test]
fn importance_names_what_matters() {
    let lines = format!(
        "axes = {{ \"f.env.X\" = {}, \"f.env.Y\" = {} }}\nobjective = \"f.loss\"\ngoal = \"min\"",
        texts(24, 36),
        texts(6, 10)
    );
    let project = project(&lines);
    project.run(&[]);
    let table = project.custem(&["show", "sweep.importance", "--csv"]).out;
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows[0], "parameter,importance");
    assert!(rows[1].starts_with("f.env.X,0.9") && rows[2].starts_with("f.env.Y,0.0"), "{table}");
    assert!(rows[3].starts_with("together,0.0"), "{table}");
}

/// A stage that takes half a second for each of six values, and the time that is too short for them.
const LONG: &str = r#"
[stages.s]
kind = "command"
command = ["sh", "-c", "sleep 0.5; echo \"{\\\"v\\\": $I}\" > m.json"]
outputs = { metrics = "m.json" }
env = { I = "1" }

[sweep]
axes = { "s.env.I" = ["1", "2", "3", "4", "5", "6"] }
objective = "s.v"
"#;

#[test]
fn a_variant_that_time_keeps_from_starting_is_skipped() {
    for strategy in ["grid", "random", "sobol", "tpe"] {
        let project = Project::with(&format!("{LONG}max_time = \"700ms\"\nstrategy = \"{strategy}\"\n"));
        let ran = project.custem(&["run", "p.toml", "-j1", "--json"]);
        assert_eq!(ran.code, 0, "{strategy}: {}", ran.err);
        let told = events(&ran.out);
        let ends: Vec<_> = told
            .iter()
            .filter(|event| event["kind"] == "command" && event["event"] == "stage_done")
            .collect();
        let of = |outcome: &str| ends.iter().filter(|end| end["outcome"] == outcome).count();
        // The second one starts within the time and goes on to its end, unless the machine is very slow.
        assert!((1..=2).contains(&of("ran")) && of("ran") + of("skipped") == 6, "{strategy}: {}", ran.out);
        let late = of("skipped");
        for end in ends.iter().filter(|end| end["outcome"] == "skipped") {
            assert_eq!(end["error"]["message"], "`max_time` is over");
        }
        let warning = told.iter().find(|event| event["event"] == "warning").unwrap();
        assert_eq!(
            text(warning, "message"),
            format!("`max_time` (0.7 s) is over: {late} of 6 variants were not started")
        );
        assert_eq!(
            text(warning, "hint"),
            "the same command goes on where it stopped: what has run comes from the cache"
        );
        let rows = told.iter().find(|event| event["event"] == "leaderboard").unwrap()["rows"]
            .as_array()
            .unwrap()
            .clone();
        let values: Vec<_> = rows.iter().filter_map(|row| row["value"].as_f64()).collect();
        assert!(values.len() == 6 - late && values.is_sorted_by(|a, b| a >= b), "{rows:?}");
        assert!(rows[6 - late..].iter().all(|row| row["outcome"] == "skipped"), "{rows:?}");
        let done = told.last().unwrap();
        assert_eq!((&done["ok"], &done["skipped"]), (&true.into(), &late.into()));
        // What is there counts, and one more is tried at least each time.
        let mut left = late;
        while left > 0 {
            let next = project.custem(&["run", "p.toml", "-j1", "--json"]);
            let ends = events(&next.out);
            let skipped = ends.iter().filter(|end| end["outcome"] == "skipped").count();
            let hits = ends.iter().filter(|end| end["outcome"] == "hit" && end["kind"] == "command").count();
            assert!(hits == 6 - left && skipped < left, "{strategy}: {}", next.out);
            left = skipped;
        }
    }
}

#[test]
fn a_variant_that_has_begun_is_brought_to_its_end() {
    let chain = LONG.replace("[sweep]", "[stages.t]\nkind = \"command\"\ninput = \"s\"\ncommand = [\"sh\", \"-c\", \"sleep 0.2; cp {inputs.in} m.json\"]\noutputs = { metrics = \"m.json\" }\n\n[sweep]");
    let chain = chain.replace("\"s.v\"", "\"t.v\"").replace("input = \"s\"", "inputs = { in = \"s\" }");
    let project = Project::with(&format!("{chain}max_time = \"100ms\"\n"));
    let ran = project.custem(&["run", "p.toml", "-j1"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let variants = project.custem(&["runs", "list", "--variants", "--json"]);
    let states: Vec<_> = events(&variants.out)
        .iter()
        .filter(|run| !run["variant"].is_null())
        .map(|run| (text(run, "variant").to_owned(), text(run, "status").to_owned()))
        .collect();
    let of = |state: &str| states.iter().filter(|(_, other)| other == state).count();
    assert_eq!((of("done"), of("interrupted"), states.len()), (1, 5, 6), "{states:?}");
    assert!(
        ran.err.contains("warning: `max_time` (0.1 s) is over: 5 of 6 variants were not started\n"),
        "{}",
        ran.err
    );
}

#[test]
fn failed_variants_run_again_and_the_search_is_the_same() {
    let project = project(&tpe(14));
    let text = project
        .read("p.toml")
        .replace("echo ran >> $COUNT; ", "echo ran >> $COUNT; [ $X -gt 25 ] || exit 3; ");
    project.write("p.toml", &text);
    let first = project.custem(&["run", "p.toml", "--json"]);
    assert_eq!(first.code, 1, "{}", first.err);
    let failed = |out: &str| {
        let ends = events(out).into_iter().filter(|end| end["outcome"] == "failed");
        let mut failed: Vec<_> = ends.map(|end| text_of(&end)).collect();
        failed.sort();
        failed
    };
    let (before, fell) = (count(&project), failed(&first.out));
    assert!(before == 14 && !fell.is_empty() && fell.len() < 14, "{fell:?}");
    let again = project.custem(&["run", "p.toml", "--json"]);
    assert_eq!((failed(&again.out), count(&project)), (fell.clone(), before + fell.len()));
    assert_eq!(board(&again.out), board(&first.out), "the same variants in the same order");
    let plan = project.custem(&["plan", "p.toml", "--json"]);
    let later = events(&plan.out)[0]["later"].as_array().unwrap().clone();
    assert!(
        !later.is_empty() && later.iter().all(|stage| fell.contains(&stage.as_str().unwrap().to_owned())),
        "{later:?}"
    );
    // Mended, the failed ones give what decides.
    project.write("p.toml", text.replace("exit 3", "true"));
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
}

fn text_of(end: &serde_json::Value) -> String {
    text(end, "stage").to_owned()
}

/// The variants of a run's leaderboard with their numbers and results, best first.
fn board(out: &str) -> Vec<String> {
    let board = events(out).into_iter().find(|event| event["event"] == "leaderboard").unwrap();
    let row = |row: &serde_json::Value| format!("{} {} {}", row["number"], row["variant"], row["value"]);
    board["rows"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn results_count_whatever_the_time() {
    let lines = format!(
        "axes = {{ \"f.env.X\" = {} }}\nobjective = \"f.loss\"\ngoal = \"min\"\nmax_time = ",
        texts(1, 20)
    );
    let project = project(&format!("{lines}\"1h\""));
    assert_eq!(tried(&project, &[]).len(), 20);
    write(&project, &format!("{lines}\"1ms\""));
    let again = project.custem(&["run", "p.toml"]);
    assert!(again.code == 0 && !again.err.contains("max_time"), "{}", again.err);
    assert_eq!((tried(&project, &[]).len(), count(&project)), (20, 20));
}

const CHARTS: &str = r#"
[stages.lines]
kind = "chart"
input = "sweep"
type = "parallel"
save = "lines.svg"

[stages.map]
kind = "chart"
input = "sweep"
type = "landscape"
save = "map.svg"

[stages.matters]
kind = "chart"
input = "sweep.importance"
type = "importance"
save = "matters.svg"
"#;

#[test]
fn a_sweep_is_drawn() {
    let lines = format!(
        "axes = {{ \"f.env.X\" = [\"10\", \"20\", \"30\"], \"f.env.Y\" = {} }}\nobjective = \"f.loss\"\ngoal = \"min\"\n{CHARTS}",
        texts(7, 8)
    );
    let drawn = project(&lines);
    let ran = drawn.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(drawn.read("map.svg").contains("Best at X 30, Y 8"), "{}", drawn.read("map.svg"));
    assert!(
        drawn.read("lines.svg").contains("The best variant has X 30, Y 8"),
        "{}",
        drawn.read("lines.svg")
    );
    assert!(drawn.read("matters.svg").contains("f.env.X") || drawn.read("matters.svg").contains("f env x"));
    let one = project(&lines.replace(", \"f.env.Y\" = [\"7\", \"8\"]", ""));
    let ran = one.custem(&["run", "p.toml"]);
    let message =
        "error: stage `map` failed: a landscape takes two swept parameters, and `input` has fewer\n";
    assert!(ran.err.contains(message), "{}", ran.err);
}
