//! How a weekly sum has changed: the last quarter against the one before and the one a year ago.
//!
//! Knows no pictures.

use crate::present::format::{change, counted};

/// Weeks in a quarter.
pub const QUARTER: usize = 13;

/// Weeks after which a season comes back.
const YEAR: usize = 52;

/// Sums over equally many weeks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Weeks in each sum.
    pub weeks: usize,
    /// The last weeks.
    pub recent: f64,
    /// As many weeks just before.
    pub before: f64,
    /// The same weeks a year earlier, where the data reaches so far back.
    pub year_ago: Option<f64>,
}

/// The trend of values that are one week apart, oldest first; `None` below two weeks.
pub fn trend(values: &[f64]) -> Option<Trend> {
    let weeks = QUARTER.min(values.len() / 2);
    if weeks == 0 {
        return None;
    }
    let sum = |back: usize| {
        let end = values.len().checked_sub(back)?;
        values.get(end.checked_sub(weeks)?..end).map(total)
    };
    Some(Trend { weeks, recent: sum(0)?, before: sum(weeks)?, year_ago: sum(YEAR) })
}

/// Whether days are all one week apart.
pub fn is_weekly(days: impl IntoIterator<Item = i64>) -> bool {
    let days: Vec<_> = days.into_iter().collect();
    days.len() > 1 && days.iter().zip(days.iter().skip(1)).all(|(a, b)| b.checked_sub(*a) == Some(7))
}

impl Trend {
    /// The change against the same weeks a year earlier, else against the weeks just before;
    /// `None` where the base is nothing.
    pub fn change(&self) -> Option<f64> {
        let base = self.base();
        (base > 0.0).then(|| self.recent / base - 1.0)
    }

    /// The change in words: `+8.2% on the same weeks a year earlier`.
    pub fn words(&self) -> String {
        let against = match self.year_ago {
            Some(_) => "the same weeks a year earlier".to_owned(),
            None => format!("the {} before", counted(self.weeks, "week", "weeks")),
        };
        self.change()
            .map_or_else(|| format!("nothing in {against}"), |part| format!("{} on {against}", change(part)))
    }

    fn base(&self) -> f64 {
        self.year_ago.unwrap_or(self.before)
    }
}

fn total(values: &[f64]) -> f64 {
    values.iter().filter(|value| value.is_finite()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_compared_with_the_one_before() {
        let values: Vec<_> = (0..26).map(|week| if week < 13 { 10.0 } else { 11.0 }).collect();
        let trend = trend(&values).unwrap();
        assert_eq!(trend, Trend { weeks: 13, recent: 143.0, before: 130.0, year_ago: None });
        assert_eq!(trend.words(), "+10% on the 13 weeks before");
    }

    #[test]
    fn a_year_of_data_compares_like_weeks() {
        let values: Vec<_> = (0..65).map(|week| if week < 13 { 10.0 } else { 5.0 }).collect();
        let trend = trend(&values).unwrap();
        assert_eq!(trend.year_ago, Some(130.0));
        assert_eq!(trend.words(), "−50% on the same weeks a year earlier");
    }

    #[test]
    fn short_or_empty_series_do_not_break() {
        assert_eq!(trend(&[]), None);
        assert_eq!(trend(&[1.0]), None);
        assert_eq!(trend(&[0.0, 3.0]).unwrap().words(), "nothing in the 1 week before");
        assert!(!is_weekly([5]));
        assert!(is_weekly([0, 7, 14]));
        assert!(!is_weekly([0, 7, 15]));
    }
}
