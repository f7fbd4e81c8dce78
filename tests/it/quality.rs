//! Reading and checking through the real binary: formats, rows set apart, proposals, pages and their messages.

use std::io::Write as _;

use crate::project::Project;

/// Orders of a shop: a cancellation, a price of zero, a row without a customer, a copy.
const SHOP: &str = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n\
    536365,85123A,6,12/1/2010 8:26,2.55,17850\n\
    536365,71053,6,12/1/2010 8:26,3.39,17850\n\
    536366,71053,1,12/13/2010 9:00,0,13047\n\
    C536379,85123A,-1,12/14/2010 9:41,2.55,17850\n\
    536370,22728,24,12/15/2010 8:45,3.75,\n\
    536371,22086,80,12/16/2010 9:00,2.55,13748\n\
    536371,22086,80,12/16/2010 9:00,2.55,13748\n";

const READ: &str = "[stages.rows]\nkind = \"read\"\npath = \"shop.csv\"\n\
    columns = { customer_id = \"CustomerID\", txn_timestamp = \"InvoiceDate\", amount = \"Quantity * UnitPrice\", order_id = \"InvoiceNo\" }\n";

fn shop(check: &str) -> Project {
    let project =
        Project::with(&format!("{READ}[stages.quality]\nkind = \"check\"\ninput = \"rows\"\n{check}"));
    project.write("shop.csv", SHOP);
    project
}

#[test]
fn bad_rows_are_set_apart_and_none_is_lost() {
    let project = shop(
        "on_error = \"quarantine\"\nretail = { product = \"StockCode\", quantity = \"Quantity\", price = \"UnitPrice\" }\n\
         rules = [{ column = \"customer_id\", missing = 0 }, { retail = \"zero_prices\" }, { duplicates = 0 }, { retail = \"returns\" }]\n",
    );
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("4 checks, 3 failed, 3 rows set apart"), "{}", ran.err);
    let csv = |artifact: &str| project.custem(&["show", artifact, "--csv"]).out;
    let bad = csv("quality.quarantined");
    let told = bad.lines().skip(1).map(|line| line.split(',').take(4).collect::<Vec<_>>().join(","));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "3,2,zero_prices,rule 2 (`rules.1`): `zero_prices` of `UnitPrice`",
            "5,1,missing,rule 1 (`rules.0`): `missing` of `customer_id`",
            "7,3,duplicates,rule 3 (`rules.2`): `duplicates`",
        ]
    );
    assert_eq!(
        (csv("quality").lines().count() - 1) + (bad.lines().count() - 1),
        csv("rows").lines().count() - 1
    );
    let page = project.custem(&["show", "quality.page"]).out;
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("How much fails"), "{page}");
    for outside in ["http://", "https://", "<script"] {
        let found = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(outside), "{outside}");
    }
    // What no single row is to blame for stops it all the same.
    let project = shop(
        "on_error = \"quarantine\"\nrules = [{ column = \"price\", min = 0 }, { rows = { min = 100 } }]\n",
    );
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("- rule 2 (`rules.1`): the table has 7 rows, fewer than 100"), "{}", ran.err);
}

#[test]
fn conditions_are_shown_where_they_are_wrong() {
    let project = shop("rules = [{ expression = \"Quantity > 0 or\" }]\n");
    let ran = project.custem(&["check", "p.toml"]);
    assert_eq!(ran.code, 2);
    let message = "error: rule 1 (`rules.0`): `expression`, character 16: the end can't be read: a value, a column or a comparison is expected";
    assert!(ran.err.starts_with(message), "{}", ran.err);
    let project = shop(
        "rules = [{ column = \"txn_timestamp\", freshness = 3 }, { column = \"amount\", drift = { psi = 0.2 } }]\n",
    );
    let ran = project.custem(&["check", "p.toml"]);
    assert!(ran.err.contains("rule 1 (`rules.0`): `freshness` needs a day to measure from"), "{}", ran.err);
    assert!(ran.err.contains("rule 2 (`rules.1`): `drift` needs a table to compare with"), "{}", ran.err);
}

#[test]
fn rules_are_proposed_and_can_be_used() {
    let project = shop("on_error = \"warn\"\ninfer = true\n");
    let ran = project.custem(&["run", "p.toml", "-v"]);
    assert!(ran.err.contains("quality: rules = ["), "{}", ran.err);
    let proposal = project.custem(&["show", "quality.proposal"]).out;
    project
        .write("p.toml", format!("{READ}[stages.quality]\nkind = \"check\"\ninput = \"rows\"\n{proposal}"));
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("all passed"), "{}", ran.err);
}

#[test]
fn a_table_is_compared_with_others() {
    let pipeline = format!(
        "{READ}[stages.before]\nkind = \"read\"\npath = \"before.csv\"\n[stages.customers]\nkind = \"read\"\npath = \"customers.jsonl\"\n\
         [stages.quality]\nkind = \"check\"\ninput = \"rows\"\non_error = \"warn\"\nearlier = \"before\"\nas_of = 2010-12-20\n\
         inputs = {{ customers = \"customers\" }}\n\
         rules = [\n  {{ column = \"customer_id\", references = {{ input = \"customers\", column = \"id\" }} }},\n\
         {{ column = \"UnitPrice\", drift = {{ psi = 0.25, ks = 0.5 }} }},\n  {{ column = \"txn_timestamp\", freshness = 3 }},\n]\n"
    );
    let project = Project::with(&pipeline);
    project.write("shop.csv", SHOP);
    project.write("before.csv", "UnitPrice\n1\n2\n3\n4\n");
    project.write("customers.jsonl", "{\"id\": 17850}\n{\"id\": \"13047\"}\n");
    let ran = project.custem(&["run", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let csv = project.custem(&["show", "quality.findings", "--csv"]).out;
    let told: Vec<_> =
        csv.lines().skip(1).map(|line| line.split(',').take(7).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(
        told,
        [
            "1,references,customer_id,error,false,6,2",
            "2,psi,UnitPrice,error,false,1,1",
            "2,ks,UnitPrice,error,true,1,0",
            "3,freshness,txn_timestamp,error,false,1,1",
        ]
    );
}

#[test]
fn compressed_json_lines_go_through_init() {
    let project = Project::new();
    let mut lines = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for row in 0..600 {
        let (customer, month, day) = (row % 40 + 1, row / 56 % 12 + 1, row % 28 + 1);
        writeln!(lines, "{{\"customerId\":\"K{customer:03}\",\"orderDate\":\"2023-{month:02}-{day:02}T10:00:00+01:00\",\"total\":{}.5,\"orderId\":{row}}}", row % 90 + 1)
            .unwrap();
    }
    project.write("orders.jsonl.gz", lines.finish().unwrap());
    let ran = project.custem(&["init", "--from", "orders.jsonl.gz", "--to", "p.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = project.read("p.toml");
    assert!(text.starts_with("# Made from orders.jsonl.gz: 600 rows, JSON lines, utf-8, gzip;\n"), "{text}");
    for line in [
        "columns.customer_id = \"customerId\" ",
        "columns.txn_timestamp = \"orderDate\" ",
        "columns.amount = \"total\" ",
        "columns.order_id = \"orderId\" ",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(project.custem(&["run", "p.toml", "--until", "quality"]).code, 0);
    let files = project.custem(&["show", "rows.files", "--csv"]).out;
    assert_eq!(files.lines().nth(1).unwrap(), "orders.jsonl.gz,JSON lines,gzip,utf-8,,,600,0");
}

/// The head of a table, then a line a column, then how much there is.
#[test]
fn a_table_is_summed_up() {
    let project = Project::with("[stages.t]\nkind = \"read\"\npath = \"t.csv\"\n");
    project.write("t.csv", "id,shop\n1,web\n2,web\n3,\n");
    assert_eq!(project.custem(&["run", "p.toml"]).code, 0);
    let expected = "id  shop\n 1  web\n\n\
        column  type        missing  distinct  least  mean  most  usual\n\
        id      an integer        0         3  1      2     3\n\
        shop    text              1         1  web          web   web (67 %)\n\
        3 rows in 2 columns, the first of which is shown\n";
    assert_eq!(project.custem(&["show", "t", "-n", "1"]).out, expected);
}
