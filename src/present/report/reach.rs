//! What to say of those at risk: how many they are, who of them can be reached, and whom to win back first.
//!
//! Knows the counts of [`super::risk`], nothing of how chances were made.

use maud::{Markup, html};

use super::parts::{Column, Grid, Tile, name, plain};
use super::risk::{Part, Risk};
use super::when::When;
use crate::present::format::{Unit, count, date, percent};

/// Beyond this share of customers at risk who have long gone, a model's scores flatter it.
const EASY: f64 = 0.8;

/// What to say when nobody has a probability, or nobody a high one.
const UNKNOWN: &str = "There are no customers with a probability of churn.";
const NOBODY: &str = "No customer is at high risk of leaving.";

/// Who can still be won back, else how many are at risk, for the summary.
pub fn brief(risk: &Risk, money: &Unit) -> Markup {
    let high = risk.high();
    let (share, _) = risk.shares(&high);
    let all = customers(high.customers);
    match risk.reachable {
        _ if !share.is_finite() => plain(UNKNOWN),
        _ if high.customers == 0 => plain(NOBODY),
        Some(near) if near.customers == 0 && risk.strangers == 0 => html! {
            "Of the " (all) " at high risk of leaving nobody bought within " (half_year(risk)) ": they have most likely left."
        },
        Some(near) => html! {
            (count(near.customers)) " of the " (all) " at high risk of leaving "
            @if risk.when.apart().is_some() { "bought within " (risk.when.half_year()) } @else { "can still be won back" }
            @if near.spend.is_finite() {
                @if near.customers == 1 { "; this one has" } @else { "; they have" }
                " spent " (money.short(near.spend)) " so far"
            }
            "."
        },
        None => {
            html! { (percent(share)) " of all customers are at high risk of leaving (" (count(high.customers)) ")." }
        }
    }
}

/// How many are at risk, what they have spent, and how many of them can still be reached.
pub fn sentences(risk: &Risk, money: &Unit) -> Vec<Markup> {
    let high = risk.high();
    let (share, spent) = risk.shares(&high);
    if !share.is_finite() {
        return vec![plain(UNKNOWN)];
    }
    if high.customers == 0 {
        return vec![plain(NOBODY)];
    }
    let mut out = vec![html! {
        (customers(high.customers)) @if high.customers == 1 { " is" } @else { " are" } " at high risk of leaving, " (percent(share)) " of all"
        @if spent.is_finite() {
            @if risk.high_strangers > 0 { "; those with features brought " } @else { "; they brought " }
            (percent(spent)) " of past revenue (" (money.short(high.spend)) ")"
        }
        "."
    }];
    let apart = risk.when.apart().is_some();
    if let Some((near, gone)) = risk.reachable.zip(risk.gone()) {
        out.push(html! {
            @if gone > 0 && apart { (count(gone)) " of them bought nothing in " (risk.when.half_year()) ". " }
            @else if gone > 0 { (count(gone)) " of them bought nothing for half a year and have most likely left already. " }
            @if near.customers == 0 { "Nobody at high risk bought within that time." }
            @else {
                (customers(near.customers)) @if apart { " bought within that time" } @else { " can still be won back" }
                @if near.spend.is_finite() { ", with " (money.short(near.spend)) " of past revenue" }
                "."
            }
        });
    }
    out
}

/// That most of those at risk are easy to tell, where it is so.
pub fn easy(risk: &Risk) -> Option<Markup> {
    let gone = risk.gone()? as f64 / risk.high().customers as f64;
    (gone > EASY && risk.when.apart().is_none()).then(|| {
        html! {
            (percent(gone)) " of those at high risk have not bought for half a year, which any rule would find; "
            "how good the model is at telling who leaves next is less certain than its scores say"
        }
    })
}

/// Whom to win back first: those at high risk who bought within half a year, best segment named.
pub fn advice(risk: &Risk, money: &Unit) -> Option<Markup> {
    let near = risk.reachable.filter(|near| near.customers > 0)?;
    let spend = |part: &&Part| {
        if part.reachable.spend.is_finite() { part.reachable.spend } else { part.reachable.customers as f64 }
    };
    let first = risk
        .segments
        .iter()
        .filter(|part| part.reachable.customers > 0)
        .max_by(|a, b| spend(a).total_cmp(&spend(b)));
    Some(html! {
        "Win back the " (customers(near.customers)) " at high risk who bought within " (risk.when.half_year())
        @if let Some(first) = first.filter(|first| first.reachable.customers < near.customers) {
            ", beginning with the " (count(first.reachable.customers)) " of " (name(&first.name))
            @if first.reachable.spend.is_finite() { " (" (money.short(first.reachable.spend)) " so far)" }
        }
        ". The output of the " code { "churn" } " stage names them by customer; " code { "custem show STAGE --csv" } " prints it."
    })
}

/// `half a year`, or the one before the features' day where that isn't the day of the chances.
fn half_year(risk: &Risk) -> String {
    risk.when.apart().map_or_else(|| "half a year".to_owned(), |_| risk.when.half_year())
}

/// That customers are described as of one day and scored as of another.
pub fn apart(when: When) -> Option<Markup> {
    let (features, churn) = when.apart()?;
    Some(html! {
        "customers are described as of " (date(features)) " and scored as of " (date(churn))
        ": their spend, last purchase and segment are of another day than their risk; give "
        code { "features" } " and " code { "churn" } " the same " code { "cutoff" }
    })
}

/// That some customers are scored and not described.
pub fn strangers(risk: &Risk) -> Option<Markup> {
    let (who, high) = (risk.strangers, risk.high_strangers);
    let are = if who == 1 { "is" } else { "are" };
    (who > 0).then(|| {
        html! {
            (count(who)) " of the " (customers(risk.customers())) " scored " (are) " in no table of features, "
            (count(high)) " at high risk: what was spent and when isn't known there, and counts nowhere below"
        }
    })
}

fn customers(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "customer" } else { "customers" })
}

/// Where the customers at high risk are.
pub fn by_segment(risk: &Risk, money: &Unit) -> Grid {
    let row = |part: &Part| {
        let mut cells = vec![
            name(&part.name),
            plain(count(part.all.customers)),
            plain(count(part.high.customers)),
            plain(percent(part.high.customers as f64 / part.all.customers as f64)),
        ];
        if risk.reachable.is_some() {
            cells.extend([plain(count(part.reachable.customers)), plain(money.short(part.reachable.spend))]);
        }
        cells
    };
    let mut columns = vec![
        Column::Text("Segment"),
        Column::Number("Customers"),
        Column::Number("At high risk"),
        Column::Number("Of segment"),
    ];
    if risk.reachable.is_some() {
        columns.extend([Column::Number("Still in reach"), Column::Number("Their revenue")]);
    }
    let within = half_year(risk);
    let rest = risk.rest();
    let rest = (rest.all.customers > 0).then_some(&rest);
    Grid {
        caption: format!("Customers at high risk by segment; in reach are those who bought within {within}"),
        columns,
        rows: risk.segments.iter().chain(rest).map(row).collect(),
        marked: Vec::new(),
    }
}

/// The key figure: how many are at high risk.
pub fn tile(risk: &Risk) -> Tile {
    let high = risk.high();
    let (share, spent) = risk.shares(&high);
    if high.customers == 0 {
        let note = plain("nobody, as far as the model can tell");
        return Tile { label: "At high risk of leaving".to_owned(), value: count(0), note };
    }
    let note = html! {
        (percent(share)) " of "
        @if risk.strangers > 0 || risk.when.apart().is_some() { "the " (count(risk.customers())) " customers scored" }
        @else {
            "customers" @if spent.is_finite() { ", " (percent(spent)) " of past revenue" }
            @if let Some(near) = risk.reachable { "; " (count(near.customers)) " still in reach" }
        }
    };
    Tile { label: "At high risk of leaving".to_owned(), value: count(high.customers), note }
}

#[cfg(test)]
mod tests {
    use super::super::risk::Count;
    use super::*;

    fn nothing() -> Risk {
        Risk {
            bands: [Count::default(); 3],
            reachable: None,
            segments: Vec::new(),
            strangers: 0,
            high_strangers: 0,
            when: When::default(),
        }
    }

    fn risk(high: Count, reachable: Option<Count>) -> Risk {
        let low = Count { customers: 1, probability: 0.1, spend: 60.0 };
        Risk { bands: [low, Count::default(), high], reachable, ..nothing() }
    }

    fn euro() -> Unit {
        Unit::Money("€".to_owned())
    }

    fn joined(risk: &Risk) -> String {
        sentences(risk, &euro())
            .into_iter()
            .map(|sentence| sentence.into_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn those_who_can_be_reached_are_told_from_those_who_left() {
        let high = Count { customers: 3, probability: 2.5, spend: 60.0 };
        let near = Count { customers: 1, probability: 0.9, spend: 30.0 };
        let known = risk(high, Some(near));
        assert_eq!(
            joined(&known),
            "3 customers are at high risk of leaving, 75% of all; they brought 50% of past revenue (€60). \
             2 of them bought nothing for half a year and have most likely left already. \
             1 customer can still be won back, with €30 of past revenue."
        );
        assert!(
            advice(&known, &euro())
                .unwrap()
                .into_string()
                .starts_with("Win back the 1 customer at high risk")
        );
        let unknown = risk(Count { spend: f64::NAN, ..high }, None);
        assert_eq!(joined(&unknown), "3 customers are at high risk of leaving, 75% of all.");
        assert!(advice(&unknown, &euro()).is_none());
        let nobody = risk(high, Some(Count::default()));
        assert!(joined(&nobody).ends_with("Nobody at high risk bought within that time."));
        assert!(advice(&nobody, &euro()).is_none());
    }

    /// Features of one day and chances of another: every sentence names its day, and what is known of
    /// both days is all that is mixed.
    #[test]
    fn features_and_chances_of_different_days_are_told_apart() {
        let high = Count { customers: 4, probability: 3.5, spend: 60.0 };
        let near = Count { customers: 1, probability: 0.9, spend: 30.0 };
        let part = Part { name: "zero".to_owned(), all: near, high: near, reachable: near };
        let when = When { features: Some(20_267), churn: Some(20_451) };
        let risk =
            Risk { strangers: 3, high_strangers: 1, when, segments: vec![part], ..risk(high, Some(near)) };
        assert_eq!(
            joined(&risk),
            "4 customers are at high risk of leaving, 80% of all; those with features brought 50% of past \
             revenue (€60). 2 of them bought nothing in the half year before 28 Jun 2025. \
             1 customer bought within that time, with €30 of past revenue."
        );
        assert_eq!(
            brief(&risk, &euro()).0,
            "1 of the 4 customers at high risk of leaving bought within the half year before 28 Jun 2025; \
             this one has spent €30 so far."
        );
        let text = advice(&risk, &euro()).unwrap().into_string();
        let win = "Win back the 1 customer at high risk who bought within the half year before 28 Jun 2025";
        assert!(text.starts_with(win), "{text}");
        assert_eq!(tile(&risk).note.0, "80% of the 5 customers scored");
        assert_eq!(
            apart(when).unwrap().0,
            "customers are described as of 28 Jun 2025 and scored as of 29 Dec 2025: their spend, last \
             purchase and segment are of another day than their risk; give <code>features</code> and \
             <code>churn</code> the same <code>cutoff</code>"
        );
        assert_eq!(
            strangers(&risk).unwrap().0,
            "3 of the 5 customers scored are in no table of features, 1 at high risk: what was spent and \
             when isn't known there, and counts nowhere below"
        );
        assert!(easy(&risk).is_none());
        // The columns of the table add up to all who are scored.
        let grid = by_segment(&risk, &euro());
        let cells = |at: usize| grid.rows.iter().map(|row| row[at].0.as_str()).collect::<Vec<_>>();
        assert_eq!(cells(0), ["<bdi>zero</bdi>", "<bdi>without a segment</bdi>"]);
        assert_eq!((cells(1), cells(2), cells(4)), (vec!["1", "4"], vec!["1", "3"], vec!["1", "0"]));
        let same = When { churn: when.features, ..when };
        assert!(apart(same).is_none() && apart(When { churn: None, ..when }).is_none());
    }

    #[test]
    fn nobody_at_risk_has_no_shares() {
        let nobody = risk(Count { customers: 0, probability: 0.0, spend: 0.0 }, Some(Count::default()));
        assert_eq!(joined(&nobody), "No customer is at high risk of leaving.");
        assert_eq!(brief(&nobody, &euro()).0, "No customer is at high risk of leaving.");
        assert_eq!(tile(&nobody).note.0, "nobody, as far as the model can tell");
        assert!(advice(&nobody, &euro()).is_none());
    }

    #[test]
    fn the_summary_does_not_repeat_the_section() {
        let high = Count { customers: 3, probability: 2.5, spend: 60.0 };
        let near = Count { customers: 1, probability: 0.9, spend: 30.0 };
        let said = |risk: &Risk| brief(risk, &euro()).0;
        assert_eq!(
            said(&risk(high, Some(near))),
            "1 of the 3 customers at high risk of leaving can still be won back; this one has spent €30 so far."
        );
        assert_eq!(
            said(&risk(high, Some(Count::default()))),
            "Of the 3 customers at high risk of leaving nobody bought within half a year: they have most likely left."
        );
        assert_eq!(said(&risk(high, None)), "75% of all customers are at high risk of leaving (3).");
    }

    #[test]
    fn scores_that_rest_on_the_long_gone_are_a_caution() {
        let count = |customers| Count { customers, probability: 1.0, spend: 1.0 };
        let text = easy(&risk(count(100), Some(count(19)))).unwrap().into_string();
        assert!(text.starts_with("81% of those at high risk have not bought for half a year"), "{text}");
        assert!(easy(&risk(count(100), Some(count(20)))).is_none());
        assert!(easy(&risk(count(0), Some(count(0)))).is_none());
        assert!(easy(&risk(count(100), None)).is_none());
    }

    #[test]
    fn the_segment_with_most_to_lose_is_named_first() {
        let near = |customers, spend| Count { customers, probability: 0.9, spend };
        let part = |name: &str, customers, spend| Part {
            name: name.to_owned(),
            all: near(9, 1e3),
            high: near(customers, spend),
            reachable: near(customers, spend),
        };
        let mut risk = risk(near(5, 90.0), Some(near(5, 90.0)));
        risk.segments = vec![part("many", 4, 20.0), part("rich", 1, 70.0)];
        let text = advice(&risk, &euro()).unwrap().into_string();
        assert!(text.contains("beginning with the 1 of <bdi>rich</bdi> (€70 so far)"), "{text}");
    }

    #[test]
    fn no_customers_are_no_risk() {
        assert_eq!(joined(&nothing()), "There are no customers with a probability of churn.");
    }
}
