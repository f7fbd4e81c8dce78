//! Synthetic tables through the binary: what bad input gets, and that what is promised of rows holds.

use crate::project::Project;

/// Customers with a first and a last day, one of them backwards.
const CUSTOMERS: &str = "customer_id,first,last,visits,plan\n\
    1,2024-01-05,2024-03-01,4,basic\n2,2024-01-07,2024-01-07,1,basic\n3,2024-02-01,2024-06-30,9,plus\n\
    4,2024-02-11,2024-02-20,2,basic\n5,2024-03-03,2024-03-01,2,plus\n6,2024-03-09,2024-05-09,5,plus\n";

fn project(stage: &str) -> Project {
    let project = Project::with(&format!(
        "[pipeline]\nseed = 3\n\n[stages.customers]\nkind = \"read\"\npath = \"customers.csv\"\n\n\
         [stages.made]\nkind = \"synthesize\"\ninput = \"customers\"\n{stage}"
    ));
    project.write("customers.csv", CUSTOMERS);
    project
}

fn csv(project: &Project, output: &str) -> Vec<Vec<String>> {
    let out = project.custem(&["show", output, "--csv"]).out;
    out.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn constraints_hold_and_rows_that_break_them_are_told() {
    let project = project(
        "rows = 60\nconstraints = [\n  { column = \"last\", at_least = \"first\" },\n  { column = \"visits\", max = 6 },\n]\n",
    );
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.contains("1 row of the input break this constraint")
            && ran.err.contains("6 rows teach little, and what is drawn may give them away"),
        "{}",
        ran.err
    );
    let rows = csv(&project, "made");
    assert!(!rows.is_empty());
    for row in rows {
        assert!(row[2] >= row[1] && row[3].parse::<i64>().unwrap() <= 6, "{row:?}");
    }
    let metrics = project.custem(&["show", "made.metrics"]).out;
    assert!(metrics.contains("\"rows\": 60"), "{metrics}");
}

#[test]
fn a_wrong_constraint_is_refused_where_it_stands() {
    let project = project("constraints = [{ column = \"last\" }]\nconditions = [{ rows = 3 }]\n");
    let ran = project.custem(&["check", "p.toml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("error: the constraint demands nothing"), "{}", ran.err);
    assert!(ran.err.contains("p.toml:11:16"), "{}", ran.err);
    assert!(
        ran.err.contains("hint: give it `min`, `max`, `at_least`, `above`, `unique` or `combination`"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("error: the condition fixes no column"), "{}", ran.err);
    let wrong = project.read("p.toml").replace("column = \"last\"", "column = \"lst\", min = 2024-01-01");
    project.write("p.toml", wrong.replace("{ rows = 3 }", "{ where = { plan = \"basic\" } }"));
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("there is no column `lst`"), "{}", ran.err);
    assert!(ran.err.contains("hint: did you mean `last`?"), "{}", ran.err);
}

#[test]
fn one_row_and_no_row() {
    let project = project("rows = 2\n");
    let lines: Vec<_> = CUSTOMERS.lines().collect();
    project.write("customers.csv", format!("{}\n{}\n", lines[0], lines[1]));
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let only = |id: &str| {
        [id, "2024-01-05T00:00:00", "2024-03-01T00:00:00", "4", "basic"].map(str::to_owned).to_vec()
    };
    assert_eq!(csv(&project, "made"), [only("1"), only("2")]);
    project.write("customers.csv", format!("{}\n", lines[0]));
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
}

#[test]
fn networks_learn_from_two_rows_and_end_when_their_time_is_over() {
    let small = "epochs = 1\nbatch = 10\nwidth = 8\nlatent = 4\n";
    for method in ["tvae", "ctgan"] {
        let project = project(&format!("rows = 3\nmethod = \"{method}\"\n{small}"));
        let lines: Vec<_> = CUSTOMERS.lines().collect();
        project.write("customers.csv", format!("{}\n{}\n{}\n", lines[0], lines[1], lines[2]));
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert_eq!(csv(&project, "made").len(), 3);
        let endless = project.read("p.toml").replace("epochs = 1", "epochs = 100000\ntimeout = \"300ms\"");
        project.write("p.toml", endless);
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains("error: stage `made` failed: timed out after 0.3 s\n"), "{}", ran.err);
    }
}

#[test]
fn ctgan_says_what_it_cannot_fix() {
    let project = project(
        "method = \"ctgan\"\nepochs = 1\nbatch = 10\nwidth = 8\nlatent = 4\nconditions = [{ rows = 2, where = { visits = 4 } }]\n",
    );
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("column `visits` holds numbers, which this method can't fix"), "{}", ran.err);
    assert!(ran.err.contains("hint: `method = \"gaussian_copula\"` can"), "{}", ran.err);
    let wrong = project.read("p.toml").replace("batch = 10", "batch = 15");
    project.write("p.toml", wrong);
    let ran = project.custem(&["check", "p.toml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("error: `batch` is 15, not a multiple of 10"), "{}", ran.err);
}
