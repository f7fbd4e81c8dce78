//! The kind `sql`: what it answers, what it refuses, and what it says where it isn't built in.

use crate::project::{Project, Ran};

/// Six purchases of three customers: one refund, one amount missing.
const ROWS: &str =
    "customer_id,amount,channel\na,10.5,web\nb,20,store\na,4.5,store\nc,,web\nb,-5,web\nc,7,app\n";

fn project(query: &str) -> Project {
    let project = Project::with(&format!(
        "[stages.rows]\nkind = \"read\"\npath = \"rows.csv\"\n\n[stages.q]\nkind = \"sql\"\ninputs = {{ t = \"rows\" }}\nquery = '''{query}'''\n"
    ));
    project.write("rows.csv", ROWS);
    project
}

#[cfg(not(feature = "sql"))]
#[test]
fn without_it_the_pipeline_is_refused_with_advice() {
    let project = project("select 1 as one from t");
    let ran: Ran = project.custem(&["check", "p.toml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("error: this custem was built without SQL"), "{}", ran.err);
    assert!(ran.err.contains("p.toml:6:8"), "{}", ran.err);
    assert!(ran.err.contains("build it with `cargo build --release --features sql`"), "{}", ran.err);
    assert_eq!(project.custem(&["run", "p.toml"]).code, 2);
}

#[cfg(feature = "sql")]
mod built {
    use super::*;

    fn answer(query: &str) -> String {
        let project = project(query);
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        project.custem(&["show", "q", "--csv"]).out
    }

    fn refusal(query: &str) -> Ran {
        let ran = project(query).custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(!ran.err.contains("broke down"), "{}", ran.err);
        ran
    }

    #[test]
    fn a_query_whose_time_is_over_is_stopped() {
        let project = project("select customer_id, sum(amount) as total from t group by customer_id");
        let timed = project.read("p.toml").replace("kind = \"sql\"", "kind = \"sql\"\ntimeout = \"1ms\"");
        project.write("p.toml", timed);
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains("error: stage `q` failed: timed out after 0.001 s\n"), "{}", ran.err);
    }

    #[test]
    fn groups_are_summed_with_missing_values_left_out() {
        assert_eq!(
            answer(
                "select customer_id, sum(amount) as total, count(amount) as known, count(*) as n \
                 from t group by customer_id order by total desc, customer_id"
            ),
            "customer_id,total,known,n\na,15.0,2,2\nb,15.0,2,2\nc,7.0,1,2\n"
        );
    }

    #[test]
    fn without_an_order_rows_are_sorted_by_all_columns() {
        assert_eq!(
            answer("select channel, customer_id from t"),
            "channel,customer_id\napp,c\nstore,a\nstore,b\nweb,a\nweb,b\nweb,c\n"
        );
    }

    #[test]
    fn a_stated_order_is_kept_and_windows_work() {
        assert_eq!(
            answer(
                "select customer_id, amount, rank() over (order by amount desc) as place \
                 from t where amount > 0 order by place desc limit 2"
            ),
            "customer_id,amount,place\na,4.5,4\nc,7.0,3\n"
        );
    }

    #[test]
    fn an_empty_answer_keeps_its_columns() {
        assert_eq!(
            answer("select customer_id, null as nothing from t where amount > 1000"),
            "customer_id,nothing\n"
        );
    }

    #[test]
    fn several_tables_join_under_their_names() {
        let project = Project::with(
            r#"
[stages.rows]
kind = "read"
path = "rows.csv"

[stages.names]
kind = "read"
path = "names.csv"

[stages.q]
kind = "sql"
inputs = { Buys = "rows", who = "names" }
query = 'select who.name, sum("Buys".amount) as total from "Buys" join who using (customer_id) group by who.name'
save = "q.parquet"
"#,
        );
        project.write("rows.csv", ROWS);
        project.write("names.csv", "customer_id,name\na,Ann\nb,Bob\n");
        let ran = project.custem(&["run", "p.toml"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("2 rows x 2 columns"), "{}", ran.err);
        assert_eq!(project.custem(&["show", "q", "--csv"]).out, "name,total\nAnn,15.0\nBob,15.0\n");
        assert!(project.path("q.parquet").exists());
    }

    #[test]
    fn what_depends_on_the_clock_or_on_chance_is_refused() {
        for function in ["now()", "random()", "uuid()", "current_date()"] {
            let ran = refusal(&format!("select {function} as x from t"));
            assert!(ran.err.contains("gives another value each time"), "{function}: {}", ran.err);
        }
        let hidden = refusal("select amount from t where amount > (select avg(amount * random()) from t)");
        assert!(hidden.err.contains("`random` gives another value each time"), "{}", hidden.err);
    }

    #[test]
    fn only_reading_is_allowed() {
        for query in ["drop table t", "create table x as select * from t", "copy t to 'x.csv'", "set a.b = 1"]
        {
            let ran = refusal(query);
            assert!(ran.err.contains("the query fails"), "{query}: {}", ran.err);
        }
    }

    #[test]
    fn a_wrong_query_is_shown_at_its_place() {
        let ran = refusal("select amuont from t");
        assert!(ran.err.contains("amuont") && ran.err.contains("p.toml:8:9"), "{}", ran.err);
        let ran = refusal("selec amount from t");
        assert!(ran.err.contains("the query fails"), "{}", ran.err);
    }

    #[test]
    fn the_same_query_gives_the_same_bytes_at_any_number_of_threads() {
        let query = "select channel, avg(amount) as mean, stddev(amount) as sd from t group by channel";
        let bytes = |jobs: &str| {
            let project = project(query);
            assert_eq!(project.custem(&["run", "p.toml", "--jobs", jobs]).code, 0);
            let objects = project.files("cache/objects");
            objects.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>()
        };
        assert_eq!(bytes("1"), bytes("2"));
    }
}
