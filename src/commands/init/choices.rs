//! What a history of that length, and that many customers, allow: numbers for stages, or why one is
//! left out.
//!
//! Knows what stages need at least; knows nothing of files.

use super::survey::Survey;
use crate::diagnostic::{count, plural};

/// A stage's number, or why the stage is left out.
pub type Choice<T> = Result<T, String>;

/// Customers below which segments are anecdotes.
const FEW_CUSTOMERS: usize = 10;
/// Weeks below which a forecast only repeats the last ones.
const FEW_WEEKS: i64 = 8;
/// The horizons that are tried, in days; the first that goes with the history wins.
const HORIZONS: [i64; 4] = [90, 60, 30, 14];

/// What the stages of a pipeline are given.
#[derive(Debug, PartialEq, Eq)]
pub struct Choices {
    /// Segments.
    pub k: Choice<usize>,
    /// Weeks to forecast.
    pub horizon: Choice<i64>,
    /// Days without a purchase after which a customer counts as lost.
    pub horizon_days: Choice<i64>,
}

/// Chooses for a file.
pub fn choices(survey: &Survey) -> Choices {
    Choices {
        k: k(survey.customers(), survey.ways()),
        horizon: weeks(survey.days),
        horizon_days: days(survey.days, |horizon| {
            survey.some_left(2 * horizon, horizon) && survey.some_left(horizon, horizon)
        }),
    }
}

fn k(customers: usize, ways: usize) -> Choice<usize> {
    if customers < FEW_CUSTOMERS {
        let there = plural(customers, "customer");
        return Err(format!("segments need at least {FEW_CUSTOMERS} customers, and the file has {there}"));
    }
    if ways < 4 {
        return Err(format!("the customers differ in only {}", plural(ways, "way")));
    }
    Ok(5.min(customers / 5).min(ways / 2))
}

fn weeks(days: i64) -> Choice<i64> {
    let weeks = days / 7;
    if weeks < FEW_WEEKS {
        let there = count(days.unsigned_abs(), "day");
        return Err(format!(
            "a forecast needs at least {FEW_WEEKS} weeks of history, and the file has {there}"
        ));
    }
    Ok((weeks / 4).min(8))
}

/// `both` says whether some customers left and some stayed, two horizons and one before the end.
fn days(days: i64, both: impl Fn(i64) -> bool) -> Choice<i64> {
    let mut fit = HORIZONS.into_iter().filter(|horizon| 3 * horizon <= days).peekable();
    if fit.peek().is_none() {
        let (least, there) = (3 * HORIZONS[HORIZONS.len() - 1], count(days.unsigned_abs(), "day"));
        return Err(format!("churn needs at least {least} days of history, and the file has {there}"));
    }
    fit.find(|horizon| both(*horizon)).ok_or_else(|| {
        "churn needs customers who left and others who came back, and there are not both".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_what_is_there() {
        assert_eq!((k(20_000, 19_000), k(12, 12), k(40, 7)), (Ok(5), Ok(2), Ok(3)));
        assert_eq!((weeks(1_092), weeks(90), weeks(56)), (Ok(8), Ok(3), Ok(2)));
        let always = |_| true;
        assert_eq!((days(1_092, always), days(269, always), days(42, always)), (Ok(90), Ok(60), Ok(14)));
        assert_eq!(days(1_092, |horizon| horizon < 60), Ok(30));
    }

    #[test]
    fn what_is_left_out_has_a_reason() {
        let words = [
            k(1, 1).unwrap_err(),
            k(30, 1).unwrap_err(),
            weeks(55).unwrap_err(),
            days(41, |_| true).unwrap_err(),
            days(900, |_| false).unwrap_err(),
        ];
        assert_eq!(
            words,
            [
                "segments need at least 10 customers, and the file has 1 customer",
                "the customers differ in only 1 way",
                "a forecast needs at least 8 weeks of history, and the file has 55 days",
                "churn needs at least 42 days of history, and the file has 41 days",
                "churn needs customers who left and others who came back, and there are not both",
            ]
        );
    }
}
