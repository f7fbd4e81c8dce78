//! The kind `value` through the real binary: what it says of data that tell little, and what it gives.

use crate::project::Project;

const PIPELINE: &str = "[stages.rows]\nkind = \"read\"\npath = \"x.csv\"\ncolumns = { customer_id = \"id\", txn_timestamp = \"day\", amount = \"sum\" }\n\n[stages.worth]\nkind = \"value\"\ninput = \"rows\"\nhorizon_days = 100\n";

fn project(lines: &str, rows: impl Iterator<Item = (i64, i64, i64)>) -> Project {
    let project = Project::with(&format!("{PIPELINE}{lines}"));
    let row = |(id, day, sum): (i64, i64, i64)| {
        format!("{id},2024-{:02}-{:02},{sum}\n", day / 28 % 12 + 1, day % 28 + 1)
    };
    project.write("x.csv", format!("id,day,sum\n{}", rows.map(row).collect::<String>()));
    project
}

#[test]
fn customers_who_never_came_back_have_no_value_and_why() {
    let ran = project("", (0..50).map(|at| (at, 3 * at, 10 + at % 5))).custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1);
    let told = "\
error: stage `worth` failed: `bgnbd` can't be fitted: no customer bought a second time
 --> p.toml:8:9
  |
8 | input = \"rows\"
  |         ^^^^^^
  |
hint: value needs customers who came back: without them leave this stage out
";
    assert!(ran.err.contains(told), "{}", ran.err);
}

#[test]
fn models_on_different_clocks_do_not_compete() {
    let ran = project("models = [\"bgnbd\", \"sbg\"]\n", std::iter::empty()).custem(&["check", "p.toml"]);
    assert_eq!(ran.code, 2);
    let told = "\
error: `sbg` counts opportunities and can't compete with other models
  --> p.toml:10:20
   |
10 | models = [\"bgnbd\", \"sbg\"]
   |                    ^^^^^
   |
hint: list it alone, in a stage of its own
";
    assert!(ran.err.contains(told), "{}", ran.err);
}

/// Everybody buys every nine to sixteen days until the end: nobody leaves.
#[test]
fn regular_customers_are_not_said_to_leave() {
    let bought = (0..60)
        .flat_map(|id| (id % 7..336).step_by(9 + (id % 8) as usize).map(move |day| (id, day, 10 + id % 9)));
    let project = project("", bought);
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let warning = "drop-out can't be told from these purchases by `bgnbd`, `mbgnbd` or `paretonbd`: `nbd` stands in, which takes everybody for a customer still";
    assert!(ran.err.contains(warning), "{}", ran.err);
    let customers = project.custem(&["show", "worth", "--csv"]).out;
    let mut lines = customers.lines();
    assert_eq!(
        lines.next(),
        Some(
            "customer_id,repeat_purchases,last_purchase,age,mean_spend,alive,expected_purchases,purchases_low,purchases_high,next_purchase,expected_spend,value,value_low,value_high"
        )
    );
    assert_eq!(lines.clone().count(), 60);
    assert!(
        lines.all(|line| line.split(',').nth(5) == Some("1.0") || line.split(',').nth(5) == Some("1")),
        "{customers}"
    );
    let verdicts = project.custem(&["show", "worth.verdicts", "--csv"]).out;
    assert_eq!(verdicts.matches(",dropout,failed,").count(), 3, "{verdicts}");
    assert!(project.custem(&["run", "p.toml"]).err.contains("2 stages: 0 ran, 2 from cache"));
}

/// What BG/NBD supposes, simulated, is found again: the 95 % intervals hold the true parameters.
#[test]
fn bgnbd_finds_the_parameters_that_were_simulated() {
    let simulated = "[pipeline]\nseed = 1\n[stages.rows]\nkind = \"simulate\"\ncustomers = 4000\ngrowth = 0.0\npersonas = [{ established = 0.0, season = 0.0, orders_per_week = 0.08, rate_shape = 0.8, dropout = { a = 0.8, b = 2.5 } }]\n";
    let worth = "[stages.worth]\nkind = \"value\"\ninput = \"rows\"\nmodels = [\"bgnbd\"]\n";
    let project = Project::with(&format!("{simulated}{worth}"));
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let shown = project.custem(&["show", "worth.parameters", "--csv"]).out;
    let mut lines = shown.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let at = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let rows: Vec<_> = lines.filter(|row| row[at("model")] == "bgnbd").collect();
    for (name, truth) in [("r", 0.8), ("alpha", 10.0), ("a", 0.8), ("b", 2.5)] {
        let row = rows.iter().find(|row| row[at("parameter")] == name).unwrap();
        let [low, high] = ["low", "high"].map(|end| row[at(end)].parse::<f64>().unwrap());
        assert!(low < truth && truth < high, "{name}: {low} to {high}\n{shown}");
        assert!(high < 2.5 * low, "{name} isn't known: {low} to {high}\n{shown}");
    }
}
