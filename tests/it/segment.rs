//! The kind `segment` through the real binary.

use crate::project::Project;

const PIPELINE: &str = "[pipeline]\nseed = 3\n\n[stages.rows]\nkind = \"read\"\npath = \"x.csv\"\ncolumns = { customer_id = \"id\", txn_timestamp = \"day\", amount = \"sum\" }\n\n[stages.features]\nkind = \"features\"\ninput = \"rows\"\n\n[stages.segments]\nkind = \"segment\"\ninput = \"features\"\nfeatures = [\"frequency\", \"monetary\"]\n";

/// 40 customers buy twice for about 10, 20 customers eight times for about 100.
fn project(lines: &str) -> Project {
    let project = Project::with(&format!("{PIPELINE}{lines}"));
    let mut rows = String::from("id,day,sum\n");
    for id in 0..60 {
        let (times, sum) = if id < 40 { (2 + id % 2, 10 + id % 7) } else { (8 + id % 3, 100 + id % 9) };
        for at in 0..times {
            rows += &format!("{id},2024-{:02}-{:02},{sum}\n", at + 1, id % 28 + 1);
        }
    }
    project.write("x.csv", rows);
    project
}

#[test]
fn a_mixture_says_how_sure_it_is() {
    let project =
        project("algorithm = \"gmm\"\nk = 2\ngmm = { covariance = \"diagonal\", init = \"both\" }\n");
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let assignments = project.custem(&["show", "segments", "--csv"]).out;
    let mut lines = assignments.lines();
    assert_eq!(lines.next(), Some("customer_id,segment,distance,share"));
    for (id, line) in (0..).zip(lines) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[..2], [id.to_string().as_str(), if id < 40 { "0" } else { "1" }], "{line}");
        assert!(cells[3].parse::<f64>().unwrap() > 0.99, "{line}");
    }
    let memberships = project.custem(&["show", "segments.memberships", "--csv"]).out;
    let mut lines = memberships.lines();
    assert_eq!(lines.next(), Some("customer_id,segment_0,segment_1"));
    assert_eq!(lines.clone().count(), 60);
    for line in lines {
        let sum: f64 = line.split(',').skip(1).map(|cell| cell.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{line}");
    }
    let selection = project.custem(&["show", "segments.selection", "--csv"]).out;
    let head = "k,inertia,silhouette,davies_bouldin,calinski_harabasz,log_likelihood,bic,aic,icl\n2,";
    assert!(selection.starts_with(head), "{selection}");
    assert!(project.custem(&["run", "p.toml"]).err.contains("3 stages: 0 ran, 3 from cache"));
}

#[test]
fn centres_have_no_memberships() {
    let project = project("k = 2\n");
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    let memberships = project.custem(&["show", "segments.memberships", "--csv"]).out;
    assert_eq!(memberships, "customer_id,segment_0,segment_1\n");
}

#[test]
fn more_components_than_different_customers() {
    let ran = project("algorithm = \"gmm\"\nk = 59\n").custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1);
    let told = "error: stage `segments` failed: `k` is 59, but customers differ in only ";
    assert!(ran.err.contains(told), "{}", ran.err);
}

#[test]
fn a_model_knows_its_own_customers_again() {
    for algorithm in ["kmeans", "gmm"] {
        let project = project(&format!(
            "algorithm = \"{algorithm}\"\nk = 2\n\n[stages.again]\nkind = \"assign\"\ninput = \"features\"\nmodel = \"segments.model\"\n"
        ));
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let show = |port: &str| project.custem(&["show", port, "--csv"]).out;
        assert_eq!(show("segments"), show("again"));
        assert_eq!(
            show("again.sizes"),
            "segment,customers,share,fitted_share\n0,40,0.6666666666666666,0.6666666666666666\n1,20,0.3333333333333333,0.3333333333333333\n"
        );
    }
}

#[test]
fn a_table_without_the_columns_of_the_model() {
    let ran = project(
        "k = 2\n\n[stages.again]\nkind = \"assign\"\ninput = \"segments\"\nmodel = \"segments.model\"\n",
    )
    .custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1);
    let told = "error: stage `again` failed: there is no column `frequency`\n";
    assert!(ran.err.contains(told) && ran.err.contains("input = \"segments\""), "{}", ran.err);
}

#[test]
fn segments_that_come_back_and_those_that_do_not() {
    let with = |k: usize| {
        let project = project(&format!("k = {k}\nstability = {{ samples = 20 }}\n"));
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        (ran.err, project.custem(&["show", "segments.stability", "--csv"]).out)
    };
    let (told, table) = with(2);
    assert!(!told.contains("no stable structure"), "{told}");
    assert_eq!(
        table,
        "segment,customers,jaccard,dissolved,recovered,verdict\n0,40,1.0,0,20,highly stable\n1,20,1.0,0,20,highly stable\n"
    );
    let (told, table) = with(9);
    assert!(told.contains("no stable structure: "), "{told}\n{table}");
    assert!(told.contains(" of 9 segments come back when customers are drawn anew"), "{told}");
}
