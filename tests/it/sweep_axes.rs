//! The axes of a sweep: ranges, conditions, axes that move together, points that are left out, seeds.

use crate::project::{Project, text};

const STAGES: &str = r#"
[pipeline]
seed = 3

[stages.rows]
kind = "simulate"
customers = 60
start = 2024-01-01
end = 2024-12-29

[stages.features]
kind = "features"
input = "rows"

[stages.segments]
kind = "segment"
input = "features"
k = 2
"#;

/// A pipeline with what `[sweep]` has besides the objective; the first line of it is line 21.
fn sweep(lines: &str) -> String {
    format!("{STAGES}\n[sweep]\n{lines}\nobjective = \"segments.silhouette\"\n")
}

/// The labels of the tasks of `segments`, in the order of the pipeline.
fn variants(lines: &str) -> Vec<String> {
    let project = Project::with(&sweep(lines));
    let ran = project.custem(&["plan", "p.toml", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
    let stages = plan["stages"].as_array().unwrap().iter().map(|stage| text(stage, "stage").to_owned());
    stages.filter_map(|label| Some(label.strip_prefix("segments[")?.strip_suffix(']')?.to_owned())).collect()
}

/// Everything that is wrong with a sweep, a message and a hint a line.
fn told(lines: &str) -> Vec<String> {
    let ran = Project::with(&sweep(lines)).custem(&["check", "p.toml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let one = |problem: &serde_json::Value| {
        let (message, hint) = (text(problem, "message"), text(problem, "hint"));
        format!("{}:{} {message}; {hint}", problem["line"], problem["column"])
    };
    json["problems"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn ranges_have_steps_counts_and_scales() {
    let of = |range: &str| variants(&format!("axes = {{ \"segments.k\" = {range} }}"));
    assert_eq!(of("{ from = 2, to = 5 }"), ["k=2", "k=3", "k=4", "k=5"]);
    assert_eq!(of("{ from = 2, to = 9, step = 3 }"), ["k=2", "k=5", "k=8"]);
    assert_eq!(
        of("{ from = 2, to = 32, count = 5, scale = \"log\" }"),
        ["k=2", "k=4", "k=8", "k=16", "k=32"]
    );
    assert_eq!(
        of("{ from = 2, to = 4, count = 9 }"),
        ["k=2", "k=3", "k=4"],
        "values that round alike are one"
    );
    assert_eq!(of("{ values = [7, 3] }"), ["k=7", "k=3"]);
    let tenths = variants("axes = { \"segments.tolerance\" = { from = 0.01, to = 0.04, step = 0.01 } }");
    assert_eq!(
        tenths,
        ["tolerance=0.01", "tolerance=0.02", "tolerance=0.03", "tolerance=0.04"],
        "no digits of rounding"
    );
    let ends = variants("axes = { \"segments.tolerance\" = { from = 0, to = 0.75, count = 4 } }");
    assert_eq!(
        ends,
        ["tolerance=0.0", "tolerance=0.25", "tolerance=0.5", "tolerance=0.75"],
        "an end that is written as an integer"
    );
}

#[test]
fn a_conditional_axis_is_there_beside_its_values_alone() {
    let axes = "axes = { \"segments.n_init\" = { values = [1, 2], when = { \"segments.k\" = [3, 4] } }, \"segments.k\" = [2, 3, 4] }";
    assert_eq!(variants(axes), ["k=2", "n_init=1, k=3", "n_init=1, k=4", "n_init=2, k=3", "n_init=2, k=4"]);
    let project = Project::with(&sweep(axes));
    project.run(&[]);
    let table = project.custem(&["show", "sweep", "--csv"]).out;
    assert_eq!(table.lines().next().unwrap(), "rank,variant,segments.n_init,segments.k,segments.silhouette");
    let absent = table.lines().find(|line| line.contains(",k=2,")).unwrap();
    assert!(absent.contains(",k=2,,2,"), "{table}");
}

#[test]
fn zipped_axes_move_together() {
    let axes = "axes = { \"segments.k\" = [2, 3, 4], \"segments.tolerance\" = [0.01, 0.02], \"segments.n_init\" = { from = 1, to = 3 } }\nzip = [[\"segments.k\", \"segments.n_init\"]]";
    assert_eq!(
        variants(axes),
        [
            "k=2, tolerance=0.01, n_init=1",
            "k=2, tolerance=0.02, n_init=1",
            "k=3, tolerance=0.01, n_init=2",
            "k=3, tolerance=0.02, n_init=2",
            "k=4, tolerance=0.01, n_init=3",
            "k=4, tolerance=0.02, n_init=3"
        ]
    );
}

#[test]
fn excluded_points_are_not_run() {
    let axes = "axes = { \"segments.k\" = [2, 3, 4], \"segments.n_init\" = [1, 2] }\nexclude = [{ \"segments.k\" = [3, 4], \"segments.n_init\" = 2 }, { \"segments.k\" = 2, \"segments.n_init\" = 1 }]";
    assert_eq!(variants(axes), ["k=2, n_init=2", "k=3, n_init=1", "k=4, n_init=1"]);
}

#[test]
fn points_are_repeated_over_seeds() {
    let axes = "axes = { \"segments.k\" = [2, 3] }\n";
    assert_eq!(
        variants(&format!("{axes}repeat = 2")),
        ["k=2, seed=3", "k=2, seed=4", "k=3, seed=3", "k=3, seed=4"],
        "a number counts from the pipeline's seed"
    );
    assert_eq!(
        variants(&format!("{axes}repeat = [10, 11]")),
        ["k=2, seed=10", "k=2, seed=11", "k=3, seed=10", "k=3, seed=11"]
    );
    let named = format!("{axes}repeat = {{ \"segments.seed\" = [1, 2, 3] }}");
    assert_eq!(variants(&named).len(), 6);
    let ran = Project::with(&sweep(&named)).what_ran(&[]);
    assert_eq!(ran.iter().filter(|stage| *stage == "rows" || *stage == "features").count(), 2, "{ran:?}");
}

#[test]
fn a_grid_is_counted_before_anything_is_built() {
    let three = "axes = { \"segments.k\" = { from = 2, to = 1000 }, \"segments.n_init\" = { from = 1, to = 1000 }, \"segments.tolerance\" = { from = 0.001, to = 1.0, step = 0.001 } }";
    let refused = |count: &str| {
        format!("20:2 this grid has {count}; at most 10000 are run; take values out of an axis")
    };
    assert_eq!(told(three), [refused("999000000 variants")]);
    let excluded = format!("{three}\nexclude = [{{ \"segments.k\" = 7 }}]");
    assert_eq!(told(&excluded), [refused("999000000 variants before those that are excluded")]);
    let conditional = "axes = { \"segments.k\" = { from = 2, to = 1000 }, \"segments.n_init\" = { from = 1, to = 50, when = { \"segments.k\" = 5 } }, \"segments.tolerance\" = { from = 0.001, to = 1.0, step = 0.001 } }";
    assert_eq!(
        told(conditional),
        [refused("1048000 variants")],
        "998 k without n_init and one with 50, times 1000"
    );
    let seeds = "axes = { \"segments.k\" = { from = 2, to = 1000 } }\nrepeat = 20";
    assert_eq!(told(seeds), [refused("19980 variants")]);
    let few = "axes = { \"segments.k\" = { from = 2, to = 30 } }\nmax_variants = 20";
    assert_eq!(
        told(few),
        [
            "20:2 this grid has 29 variants; `max_variants` lets 20 run; take values out of an axis, or choose `strategy = \"sobol\"`"
        ]
    );
    let drawn = "axes = { \"segments.k\" = { from = 2, to = 30 } }\nstrategy = \"random\"\nmax_variants = 6000\nrepeat = 2";
    assert_eq!(
        told(drawn),
        [
            "23:16 this sweep has 12000 variants; at most 10000 are run; lower `max_variants`, or repeat over fewer seeds"
        ]
    );
    let none = "axes = { \"segments.k\" = [2, 3] }\nexclude = [{ \"segments.k\" = [2, 3] }]";
    assert_eq!(told(none), ["20:2 every point of this grid is excluded; take a point out of `exclude`"]);
}

#[test]
fn mistakes_in_ranges_are_told_at_their_place() {
    let of = |range: &str| told(&format!("axes = {{ \"segments.k\" = {range} }}"));
    let about = "its default is 5; `custem kinds segment` says what it does";
    assert_eq!(
        of("{ from = 1, to = 5 }"),
        [format!("21:34 `segments.k` must be between 2 and 1000, not 1; {about}")]
    );
    assert_eq!(
        of("{ from = 2, to = 1001 }"),
        [format!("21:42 `segments.k` must be between 2 and 1000, not 1001; {about}")]
    );
    assert_eq!(
        of("{ from = 5, to = 2 }"),
        ["21:42 `segments.k` goes from 5 to 2; `to` must be above `from`"]
    );
    assert_eq!(
        of("{ form = 2, to = 5 }"),
        [
            "21:25 the axis `segments.k` has neither `values` nor both `from` and `to`; write a list, `{ values = [...] }` or `{ from = 2, to = 10 }`",
            "21:27 unknown key `form` in `sweep.axes.\"segments.k\"`; did you mean `from`? `[sweep]` has the keys `axes`, `best`, `budget`, `eta`, `exclude`, `goal`, `max_time`, `max_variants`, `objective`, `objectives`, `repeat`, `startup`, `strategy`, `wave` and `zip`",
        ]
    );
    assert_eq!(
        of("{ from = 2, to = 8, step = 2, count = 3 }"),
        ["21:63 `segments.k` has `step` and `count`; either of them says which values there are"]
    );
    assert_eq!(
        told("axes = { \"segments.tolerance\" = { from = 0, to = 1, scale = \"log\", count = 3 } }"),
        ["21:42 `segments.tolerance` can't start at 0 on a log scale; `from` must be above 0"]
    );
    assert_eq!(
        told("axes = { \"segments.tolerance\" = { from = 0.1, to = 1 } }"),
        [
            "21:33 a grid can't tell which values of `segments.tolerance` to take; give the range a `step` or a `count`, or choose another strategy: `strategy = \"sobol\"`"
        ]
    );
}

#[test]
fn mistakes_between_axes_are_told_at_their_place() {
    let axes = "axes = { \"segments.k\" = [2, 3], \"segments.n_init\" = [1, 2, 3] }\n";
    assert_eq!(
        told(&format!("{axes}exclude = [{{ \"segments.kk\" = 2 }}]")),
        ["22:14 `exclude` names `segments.kk`, which is no axis; did you mean `segments.k`?"]
    );
    assert_eq!(
        told(&format!("{axes}exclude = [{{ \"segments.k\" = 4 }}]")),
        ["22:29 `segments.k` is never 4; its values are `2` and `3`"]
    );
    assert_eq!(
        told(&format!("{axes}zip = [[\"segments.k\", \"segments.n_init\"]]")),
        [
            "22:23 `segments.k` has 2 values and `segments.n_init` has 3, so they can't move together; axes in one `zip` need as many values, lists or ranges with a count"
        ]
    );
    assert_eq!(
        told(
            "axes = { \"segments.k\" = { values = [2, 3], when = { \"segments.n_init\" = 1 } }, \"segments.n_init\" = { values = [1, 2], when = { \"segments.k\" = 2 } } }"
        ),
        [
            "21:25 `segments.k` is there only beside values of an axis that needs it itself; take one of these `when` out"
        ]
    );
    assert_eq!(
        told(
            "axes = { \"segments.algorithm\" = [\"kmeans\", \"gmm\"], \"segments.k\" = { values = [2, 3], when = { \"segments.algorithm\" = \"gnm\" } } }"
        )[..1],
        ["21:118 `segments.algorithm` is never \"gnm\"; did you mean `\"gmm\"`?"],
    );
    assert_eq!(
        told(&format!("{axes}repeat = {{ \"segments.k\" = [2, 3] }}")),
        ["22:12 `segments.k` is an axis already; take one of them out"]
    );
    assert_eq!(
        told(&format!("{axes}strategy = \"halving\"")),
        [
            "20:2 `halving` lacks the key `budget`; say which parameter grows: `budget = { \"segments.n_init\" = { from = 1, to = 27 } }`"
        ]
    );
    assert_eq!(
        told(&format!("{axes}eta = 2")),
        ["22:7 `eta` does nothing without `strategy = \"halving\"`; remove it or choose that strategy"]
    );
    assert_eq!(
        told(&format!("{axes}strategy = \"bayes\""))[..1],
        [
            "22:12 `sweep.strategy` must be `grid`, `random`, `sobol`, `halving` or `tpe`, not `bayes`; its default is \"grid\"; `[sweep]` has the keys `axes`, `best`, `budget`, `eta`, `exclude`, `goal`, `max_time`, `max_variants`, `objective`, `objectives`, `repeat`, `startup`, `strategy`, `wave` and `zip`"
        ]
    );
}

#[test]
fn random_and_sobol_draw_the_same_points_each_time() {
    let of = |strategy: &str, seed: u64| {
        let lines = format!(
            "axes = {{ \"segments.k\" = {{ from = 2, to = 40 }}, \"segments.tolerance\" = {{ from = 0.001, to = 0.1, scale = \"log\" }} }}\nstrategy = \"{strategy}\"\nmax_variants = 8"
        );
        let text = sweep(&lines).replace("seed = 3", &format!("seed = {seed}"));
        let project = Project::with(&text);
        let ran = project.custem(&["plan", "p.toml", "--json"]);
        let plan: serde_json::Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.err));
        let stages = plan["stages"].as_array().unwrap().iter().map(text_of);
        stages.filter(|label| label.starts_with("segments[")).collect::<Vec<_>>()
    };
    for strategy in ["random", "sobol"] {
        let (first, again, other) = (of(strategy, 3), of(strategy, 3), of(strategy, 4));
        assert_eq!(first.len(), 8);
        assert_eq!(first, again);
        assert_ne!(first, other);
    }
    assert_ne!(of("random", 3), of("sobol", 3));
}

fn text_of(stage: &serde_json::Value) -> String {
    text(stage, "stage").to_owned()
}

#[test]
fn more_points_leave_those_that_there_were() {
    let lines = "axes = { \"segments.k\" = { from = 2, to = 40 } }\nstrategy = \"sobol\"\nmax_variants = ";
    let (four, six) = (variants(&format!("{lines}4")), variants(&format!("{lines}6")));
    assert_eq!((four.len(), six.len()), (4, 6));
    assert_eq!(four[..], six[..4]);
    let all = "axes = { \"segments.k\" = [2, 3, 4] }\nstrategy = \"random\"\nmax_variants = 40";
    let mut found = variants(all);
    found.sort();
    assert_eq!(found, ["k=2", "k=3", "k=4"], "no point twice");
}
