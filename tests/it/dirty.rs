//! Dirty and odd rows through a whole pipeline: what comes out is what was counted by hand.

use serde_json::Value as Json;

use crate::project::{Project, events, text};
use crate::shop::{calm, date, iso, metric, rows, says, whole};

/// The same purchases with other ids: whole numbers or text.
fn with_ids(ids: &str) -> Project {
    let source = Project::with(&format!(
        "[pipeline]\nseed = 9\n[stages.t]\nkind = \"simulate\"\ncustomers = 250\nstart = 2024-01-01\nend = 2025-06-29\nids = \"{ids}\"\n"
    ));
    assert_eq!(calm(&source).code, 0);
    let project = whole(source.custem(&["show", "t", "--csv"]).out);
    let ran = calm(&project);
    assert_eq!(ran.code, 0, "{}", ran.err);
    project
}

#[test]
fn text_ids_give_what_whole_numbers_give() {
    let (number, uuid) = (with_ids("integer"), with_ids("uuid"));
    let id = |project: &Project| rows(project, "features")[0]["customer_id"].clone();
    assert!(id(&number).is_number(), "{}", id(&number));
    assert_eq!(id(&uuid).as_str().map(str::len), Some(36), "{}", id(&uuid));
    let metrics = |project: &Project| {
        let log = project.custem(&["runs", "show", "last", "--json"]).out;
        let mut found = Vec::new();
        for end in events(&log).iter().filter(|event| event["event"] == "stage_done") {
            for (name, value) in end["metrics"].as_object().unwrap() {
                found.push((format!("{}.{name}", text(end, "stage")), value.as_f64().unwrap()));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    };
    let (of_numbers, of_uuids) = (metrics(&number), metrics(&uuid));
    assert!(of_numbers.len() > 40, "{of_numbers:?}");
    let names = |metrics: &[(String, f64)]| metrics.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&of_numbers), names(&of_uuids));
    for ((name, one), (_, two)) in of_numbers.iter().zip(&of_uuids) {
        // Customers come in another order, so sums may differ in their last digits, no more; the
        // length of a page depends on the length of its ids.
        assert!(
            (one - two).abs() <= 1e-6 * one.abs().max(1.0) || name.ends_with(".bytes"),
            "{name}: {one} {two}"
        );
    }
    let sizes = |project: &Project| -> Vec<Json> {
        rows(project, "profile").iter().map(|row| row["customers"].clone()).collect()
    };
    assert_eq!(sizes(&number), sizes(&uuid));
}

/// Twelve customers; customer `c` spends `c + 1` every week. Those below 8 do it for 27 weeks, from
/// day 0 to day 182, the others for `c + 3` weeks. On top: 5 rows without an amount, 3 refunds, 4
/// copies, 2 rows with a date that isn't one.
fn dirty() -> String {
    let id = |customer: u32| format!("7b0f5c1e-93a4-4d52-8f6b-0000000000{customer:02}");
    let mut rows = Vec::new();
    let add = |customer: u32, day: u32, amount: String, rows: &mut Vec<String>| {
        let (year, month, of_month) = date(day);
        let when = match rows.len() % 5 {
            0 => iso(day),
            1 => format!("{of_month:02}.{month:02}.{year}"),
            2 => format!("{} 00:00:00", iso(day)),
            3 => format!("{of_month:02}/{month:02}/{year}"),
            _ => format!("{}T00:00:00Z", iso(day)),
        };
        let note =
            if rows.len().is_multiple_of(4) { "\"two\r\nlines, and \"\"quotes\"\"\"" } else { "plain" };
        rows.push(format!("{},{when},{amount},{note}\r\n", id(customer)));
    };
    for customer in 0..12 {
        let weeks = if customer < 8 { 27 } else { customer + 3 };
        for week in 0..weeks {
            add(customer, 7 * week, format!("{}.00", customer + 1), &mut rows);
        }
    }
    for day in [3, 24, 45, 66, 87] {
        add(1, day, String::new(), &mut rows);
    }
    for (customer, day, amount) in [(2, 9, "-1.50"), (2, 16, "-1.50"), (5, 30, "-2.00")] {
        add(customer, day, amount.to_owned(), &mut rows);
    }
    let copies: Vec<_> = [2, 5, 8, 11].iter().map(|at: &usize| rows[*at].clone()).collect();
    rows.extend(copies);
    rows.push(format!("{},soon,1.00,plain\r\n", id(3)));
    rows.push(format!("{},2024-02-30,1.00,plain\r\n", id(3)));
    assert_eq!(rows.len(), 280);
    format!("\u{feff}customer_id,txn_timestamp,amount,note\r\n{}", rows.concat())
}

#[test]
fn a_dirty_file_comes_out_as_counted_by_hand() {
    let project = whole(dirty());
    let ran = calm(&project);
    assert_eq!(ran.code, 0, "{}", ran.err);
    // 8 x 27 + (11 + 12 + 13 + 14) weekly purchases, 5 + 3 + 4 rows on top, 2 that can't be read.
    says(
        &ran,
        &[
            "278 rows from 1 file, 2 rejected",
            "2 of 280 rows (0.71 %) were left out",
            "`txn_timestamp` is not a date, such as `soon`",
        ],
    );
    says(&ran, &["5 of 278 values of `amount` are missing", "4 of 278 rows are copies of earlier ones"]);
    assert_eq!((metric(&project, "rows", "rows"), metric(&project, "rows", "rejected")), (278.0, 2.0));
    says(&ran, &["5 of 278 rows without an amount are skipped"]);
    assert_eq!(metric(&project, "features", "customers"), 12.0);
    assert_eq!(metric(&project, "features", "rows_used"), 273.0);
    let rejected = rows(&project, "rows.rejected");
    assert_eq!(rejected.len(), 2);
    let features = rows(&project, "features");
    let of = |customer: usize| {
        let row = &features[customer];
        let number = |column: &str| row[column].as_f64().unwrap_or_else(|| panic!("{column}: {row}"));
        ["frequency", "monetary", "returns", "recency_days", "tenure_days"].map(number)
    };
    // As of day 183, the midnight after the last purchase: four copies count as purchases.
    assert_eq!(of(0), [31.0, 31.0, 0.0, 1.0, 183.0]);
    // 27 purchases of 2; the rows without an amount are none.
    assert_eq!(of(1), [27.0, 54.0, 0.0, 1.0, 183.0]);
    // 27 purchases of 3 less two refunds of 1.50.
    assert_eq!(of(2), [27.0, 78.0, 2.0, 1.0, 183.0]);
    assert_eq!(of(5), [27.0, 160.0, 1.0, 1.0, 183.0]);
    // 11 purchases of 9, the last one on day 70.
    assert_eq!(of(8), [11.0, 99.0, 0.0, 113.0, 183.0]);
    // 27 x (1 + .. + 8) + 9 x 11 + 10 x 12 + 11 x 13 + 12 x 14 + 4 - 5 = 1501, of which 1 + .. + 8
    // on Monday, day 182: a week that is covered only in part and left out.
    let total = rows(&project, "total");
    assert_eq!(total.len(), 26);
    let revenue: f64 = total.iter().map(|row| row["revenue"].as_f64().unwrap()).sum();
    assert_eq!(revenue, 1465.0);
    says(&ran, &["covered only in part: the week of 2024-07-01"]);
    assert_eq!(metric(&project, "churn", "customers"), 12.0);
    let chance = rows(&project, "churn");
    let chance = |customer: usize| chance[customer]["probability"].as_f64().unwrap();
    assert!(
        (0..8).all(|stays| (8..12).all(|left| chance(stays) < chance(left))),
        "who left is told from who stays"
    );
    let page = project.read("report.html");
    assert!(page.contains("</html>") && page.contains("12 customers"), "{}", &page[..2000.min(page.len())]);
}
