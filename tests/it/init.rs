//! `init --from`: a pipeline that fits the file and runs, or a message and no pipeline.

use crate::project::{Project, Ran};
use crate::shop::{csv, good};

fn init(project: &Project, file: &str) -> Ran {
    project.custem(&["init", "--from", file])
}

/// What becomes of every stage of the pipeline for `in.csv`, which must not fail.
fn made(bytes: impl AsRef<[u8]>) -> (Project, String, Vec<String>) {
    let project = Project::new();
    project.write("in.csv", bytes);
    let ran = init(&project, "in.csv");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out, "wrote pipelines/in.toml; run it: custem run pipelines/in.toml\n");
    let text = project.read("pipelines/in.toml");
    project.write("p.toml", &text);
    let ends = project.run(&[]);
    assert!(ends.iter().all(|end| end.ends_with(" ran")), "{ends:?}\n{text}");
    assert!(project.read("data/in.html").contains("</html>"));
    (project, text, ends)
}

fn refused(file: &str, bytes: &[u8], message: &str) {
    let project = Project::new();
    project.write(file, bytes);
    let ran = init(&project, file);
    assert_eq!((ran.code, ran.err.as_str()), (1, message));
    assert!(!project.path("pipelines").exists(), "no pipeline is better than one that can't run");
}

#[test]
fn a_long_history_of_many_gets_everything() {
    let rows = (0..60).flat_map(|customer| {
        let last = if customer % 3 == 0 { 150 + customer } else { 400 };
        (customer % 20..last)
            .step_by(9 + customer as usize % 7)
            .map(move |day| (customer, day, 5 + (customer * 7 + day) % 20))
    });
    let (_, text, ends) = made(csv(rows));
    assert_eq!(ends.len(), 9, "{text}");
    let head: Vec<&str> = text.lines().take(2).collect();
    assert_eq!(
        head,
        [
            "# Made from in.csv: 1,669 rows, delimiter \",\", utf-8;",
            "# 60 customers who bought from 2024-01-01 to 2025-02-03."
        ]
    );
    for line in ["k = 5", "scan = { from = 2, to = 8 }", "horizon = 8", "horizon_days = 90"] {
        assert!(text.lines().any(|one| one == line), "no `{line}` in\n{text}");
    }
    assert!(!text.contains("Left out"), "{text}");
}

#[test]
fn a_short_history_gets_smaller_numbers() {
    let (_, text, ends) = made(good());
    assert_eq!(ends.len(), 9, "{text}");
    for line in ["k = 5", "horizon = 7", "horizon_days = 60"] {
        assert!(text.lines().any(|one| one == line), "no `{line}` in\n{text}");
    }
}

#[test]
fn what_the_history_does_not_allow_is_left_out_with_a_reason() {
    let text = "Customer ID;Order Date;Total\nC1;03.01.2025;12,50\nC2;17.01.2025;8,00\nC1;21.02.2025;7,25\n";
    let (_, text, ends) = made(text);
    assert_eq!(ends, ["features ran", "quality ran", "report ran", "rows ran", "weekly ran"]);
    let reasons: Vec<&str> = text.lines().filter(|line| line.contains("Left out")).collect();
    assert_eq!(
        reasons,
        [
            "# Left out: segments need at least 10 customers, and the file has 2 customers.",
            "# Left out: a forecast needs at least 8 weeks of history, and the file has 50 days.",
            "# Left out: churn needs customers who left and others who came back, and there are not both.",
        ]
    );
    assert!(text.contains("columns.customer_id = \"Customer ID\""), "{text}");
    let (_, text, ends) = made(csv((0..40).map(|customer| (customer, customer % 7, 10 + customer % 9))));
    assert_eq!(ends.len(), 7, "{text}");
    assert!(text.contains("# Left out: churn needs at least 42 days of history, and the file has 7 days."));
}

#[test]
fn rows_are_counted() {
    let mut text = csv((0..3_000).map(|row| (row % 100, row % 300, 10)));
    text.push_str(&format!("7,2024-01-05,1,{}\n", "x".repeat(90_000)));
    let project = Project::new();
    project.write("long.csv", &text);
    assert_eq!(init(&project, "long.csv").code, 0);
    assert!(project.read("pipelines/long.toml").starts_with("# Made from long.csv: 3,001 rows, "));
    let wide = csv((0..600).map(|row| (row % 100, row % 300, 10)));
    let wide: Vec<u8> = [0xfeff].into_iter().chain(wide.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    project.write("wide.csv", wide);
    assert_eq!(init(&project, "wide.csv").code, 0);
    assert!(project.read("pipelines/wide.toml").starts_with("# Made from wide.csv: 600 rows, "));
}

#[test]
fn mixed_dates_are_described_as_mixed_and_bad_rows_are_allowed_for() {
    let project = Project::new();
    let mut text = "customer_id,when,amount\n".to_owned();
    for row in 0..90 {
        let day = row % 28 + 1;
        match row % 9 {
            0..3 => text.push_str(&format!("{row},2024-03-{day:02},5\n")),
            3..5 => text.push_str(&format!("{row},{day:02}.03.2024,5\n")),
            5..8 => text.push_str(&format!("{row},2024-03-{day:02},5\n")),
            _ => text.push_str(&format!("{row},2024-03-{day:02}\n")),
        }
    }
    project.write("in.csv", text);
    let ran = init(&project, "in.csv");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = project.read("pipelines/in.toml");
    assert!(text.contains("# it holds dates (yyyy-mm-dd and dd.mm.yyyy)"), "{text}");
    let allowed = "\nmax_bad = 0.12        # 10 rows (11 %) can't be read: custem show rows.rejected\n";
    assert!(text.contains(allowed), "{text}");
    assert_eq!(
        ran.err,
        "warning: 10 of 90 rows of `in.csv` (11 %) can't be read\n\
         hint: the pipeline allows it, with `max_bad = 0.12`; after a run, `custem show rows.rejected` lists them\n"
    );
    assert!(!project.path(".gitignore").exists());
    assert_eq!(project.custem(&["run", "pipelines/in.toml"]).code, 0);
}

/// A file with the month first throughout has one way to write dates, though most of its days could be
/// months as well; names of months stand between the signs that the file has.
#[test]
fn the_ways_to_write_dates_are_those_of_the_file() {
    let described = |date: &dyn Fn(usize) -> String| {
        let project = Project::new();
        let rows: String = (0..90).map(|row| format!("{row},{},5\n", date(row))).collect();
        project.write("in.csv", format!("customer_id,when,amount\n{rows}"));
        assert_eq!(init(&project, "in.csv").err, "");
        let text = project.read("pipelines/in.toml");
        let line = text.lines().find(|line| line.starts_with("columns.txn_timestamp")).unwrap();
        line.split_once("# ").unwrap().1.to_owned()
    };
    let month_first = described(&|row| format!("{:02}/{:02}/2023", row % 12 + 1, row % 28 + 1));
    assert_eq!(month_first, "it holds dates (mm/dd/yyyy)");
    let mixed = described(&|row| match row % 2 {
        0 => format!("03/{}/2023", 13 + row % 15),
        _ => format!("{}/03/2023", 13 + row % 15),
    });
    assert_eq!(mixed, "it holds dates (dd/mm/yyyy and mm/dd/yyyy)");
    assert_eq!(described(&|row| format!("{} Sep 2023", row % 28 + 1)), "it holds dates (dd Mon yyyy)");
}

#[test]
fn a_file_that_no_pipeline_can_use_is_refused_with_advice() {
    refused(
        "head.csv",
        b"customer_id,txn_timestamp,amount\n",
        "error: `head.csv` has a header but no rows\nhint: export or copy it again, or name another file\n",
    );
    refused(
        "hostname",
        b"server-7\n",
        "error: `hostname` has a header but no rows\nhint: export or copy it again, or name another file\n",
    );
    refused(
        "dateless.csv",
        b"customer,price\nada,1.5\nbob,2.5\nada,3.5\nbob,1.0\n",
        "error: `dateless.csv` has no column that looks like dates (`txn_timestamp`)\nhint: it has `customer` (category) and `price` (float); where one of them is meant, write the pipeline by hand: `custem kinds read`\n",
    );
    refused(
        "refunds.csv",
        b"customer_id,date,amount\n1,2024-01-01,-3.5\n2,2024-01-02,-2.5\n",
        "error: no row of `refunds.csv` has a customer, a date and an amount above zero\nhint: taken were `customer_id` for `customer_id`, `date` for `txn_timestamp` and `amount` for `amount`\n",
    );
    let project = Project::new();
    let made = std::process::Command::new("mkfifo").arg(project.path("pipe")).status().unwrap();
    assert!(made.success());
    for (file, message) in [
        (
            "pipe",
            "error: `pipe` is not a regular file\nhint: write what it gives into a file, and name that one\n",
        ),
        (
            "/dev/zero",
            "error: `/dev/zero` is not a regular file\nhint: write what it gives into a file, and name that one\n",
        ),
        (
            "nothing.csv",
            "error: there is no file `nothing.csv`\nhint: give its path from the current folder, or from the project's root\n",
        ),
    ] {
        let ran = init(&project, file);
        assert_eq!((ran.code, ran.err.as_str()), (1, message));
    }
}

#[test]
fn paths_stay_as_they_were_spelled() {
    let project = Project::new();
    project.write("store/of/2024.csv", good());
    std::os::unix::fs::symlink("store/of/2024.csv", project.path("orders.csv")).unwrap();
    std::fs::create_dir(project.path("else")).unwrap();
    std::os::unix::fs::symlink(project.path("store"), project.path("else/link")).unwrap();
    let path = |pipeline: &str| {
        let text = project.read(pipeline);
        text.lines().find_map(|line| line.strip_prefix("path = ")).unwrap().to_owned()
    };
    assert_eq!(init(&project, "orders.csv").code, 0);
    assert_eq!(path("pipelines/orders.toml"), "\"orders.csv\"");
    let full = project.path("orders.csv");
    let ran = project.custem(&["init", "--from", full.to_str().unwrap(), "--to", "full.toml"]);
    assert_eq!((ran.code, path("full.toml").as_str()), (0, "\"orders.csv\""));
    let ran = project.custem(&["init", "--from", "else/link/of/2024.csv", "--root", "else"]);
    assert_eq!((ran.code, path("else/pipelines/2024.toml").as_str()), (0, "\"link/of/2024.csv\""));
    assert_eq!(project.custem(&["run", "pipelines/2024.toml", "--root", "else", "--until", "rows"]).code, 0);
}
