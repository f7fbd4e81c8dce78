//! How evenly days are covered by rows: gaps between them, and whole weeks with too few.
//!
//! Knows day numbers and counts only; day 0 is 1970-01-01, a Thursday.

use std::collections::BTreeMap;

/// Rows a day, for days that have any.
pub type Days = BTreeMap<i64, u64>;

/// A run of days without rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its first day.
    pub from: i64,
    /// How many days it has.
    pub days: u64,
}

/// Runs of more than `most` days without rows.
pub fn gaps(days: &Days, most: u32) -> Vec<Gap> {
    let pairs = days.keys().zip(days.keys().skip(1));
    pairs
        .map(|(day, next)| Gap { from: day + 1, days: day.abs_diff(*next) - 1 })
        .filter(|gap| gap.days > u64::from(most))
        .collect()
}

/// The Mondays of the weeks that lie wholly within the days, with their rows.
pub fn weeks(days: &Days) -> Vec<(i64, u64)> {
    let (Some((first, _)), Some((last, _))) = (days.first_key_value(), days.last_key_value()) else {
        return Vec::new();
    };
    let mut weeks = Vec::new();
    let mut monday = if monday(*first) == *first { *first } else { monday(*first) + 7 };
    while monday + 6 <= *last {
        weeks.push((monday, days.range(monday..monday + 7).map(|(_, rows)| rows).sum()));
        monday += 7;
    }
    weeks
}

/// The Monday of the last week, and how many of its days have passed by the last day.
pub fn last_week(days: &Days) -> Option<(i64, i64)> {
    let (last, _) = days.last_key_value()?;
    Some((monday(*last), last - monday(*last) + 1))
}

/// The Monday on or before a day.
fn monday(day: i64) -> i64 {
    day - (day + 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_days_between_days() {
        let days: Days = [(10, 1), (11, 1), (15, 2), (30, 1)].into();
        assert_eq!(gaps(&days, 3), [Gap { from: 16, days: 14 }]);
        assert_eq!(gaps(&days, 2), [Gap { from: 12, days: 3 }, Gap { from: 16, days: 14 }]);
        assert_eq!(gaps(&days, 0).len(), 2);
        assert_eq!(gaps(&Days::new(), 0), []);
    }

    #[test]
    fn only_whole_weeks_count() {
        // Day 4 is Monday 1970-01-05.
        assert_eq!(weeks(&[(4, 1), (10, 2)].into()), [(4, 3)]);
        assert_eq!(weeks(&[(4, 1), (9, 2)].into()), []);
        assert_eq!(weeks(&[(3, 5), (12, 1), (24, 1)].into()), [(4, 0), (11, 1), (18, 1)]);
        assert_eq!(weeks(&[(-3, 1), (3, 1)].into()), [(-3, 2)]);
        assert_eq!(weeks(&Days::new()), []);
        assert_eq!(last_week(&[(4, 1), (10, 2)].into()), Some((4, 7)));
        assert_eq!(last_week(&[(4, 1), (13, 2)].into()), Some((11, 3)));
        assert_eq!(last_week(&Days::new()), None);
    }
}
