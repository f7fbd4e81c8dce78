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

#[test]
fn time_runs_out_between_waves() {
    let lines = format!(
        "axes = {{ \"f.env.X\" = {} }}\nobjective = \"f.loss\"\ngoal = \"min\"\nmax_time = ",
        texts(1, 20)
    );
    let project = project(&format!("{lines}\"1h\""));
    assert_eq!(tried(&project, &[]).len(), 20);
    write(&project, &format!("{lines}\"1ms\""));
    // The first wave always runs; here it comes from the cache.
    assert!(tried(&project, &[]).len() <= 20);
    assert_eq!(count(&project), 20);
}
