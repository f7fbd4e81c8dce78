//! Histogram: how many values fall into each of equal stretches, by group.

use super::axes::{Axis, begin, legend, level, upright};
use super::drawing::{Area, Drawing, PADDING};
use super::{Chart, text};
use crate::present::format::{Unit, count, counted, percent, sentence};
use crate::present::theme::{self, LEVELS, Rgb};

/// Counts of values between two ends.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// What the values are: `probability of churn`.
    pub measure: String,
    /// What they count.
    pub unit: Unit,
    /// What is counted: `customers`, where there is a row for each of them, else `rows`.
    pub counted: String,
    /// Ends of the axis.
    pub ends: (f64, f64),
    /// Names of the groups, lowest first; no names where there is one group.
    pub groups: Vec<String>,
    /// Counts by stretch, then group.
    pub counts: Vec<Vec<u64>>,
    /// Half of the values lie below it.
    pub median: Option<f64>,
    /// Values beyond the ends, which are not drawn.
    pub beyond: u64,
    /// Values above the upper end, which are drawn in the last stretch.
    pub above: u64,
    /// Whether stretches have equal factors instead of equal widths; both ends are above zero then.
    pub log: bool,
}

impl Histogram {
    /// An empty histogram of some stretches.
    pub fn new(measure: &str, unit: Unit, ends: (f64, f64), groups: &[&str], stretches: usize) -> Self {
        Self {
            title: None,
            measure: measure.to_owned(),
            unit,
            counted: "rows".to_owned(),
            ends,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            counts: vec![vec![0; groups.len().max(1)]; stretches.max(1)],
            median: None,
            beyond: 0,
            above: 0,
            log: false,
        }
    }

    /// Counts a value into its stretch; the ends belong to the outer ones. Values beyond the ends
    /// are only counted as such, those that aren't finite not at all.
    pub fn add(&mut self, value: f64, group: usize) {
        let (low, high) = self.ends;
        if !(low..=high).contains(&value) {
            self.beyond += u64::from(value.is_finite());
            return;
        }
        let part = match high > low {
            true if self.log => libm::log(value / low) / libm::log(high / low),
            true => (value - low) / (high - low),
            false => 0.5,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place among the stretches"
        )]
        let place = ((part * self.counts.len() as f64) as usize).min(self.counts.len().saturating_sub(1));
        if let Some(slot) = self.counts.get_mut(place).and_then(|groups| groups.get_mut(group)) {
            *slot += 1;
        }
    }

    /// Counts a value that may lie above the upper end into the last stretch.
    pub fn add_or_above(&mut self, value: f64, group: usize) {
        let high = self.ends.1;
        self.above += u64::from(value.is_finite() && value > high);
        self.add(if value.is_finite() { value.min(high) } else { value }, group);
    }

    /// What is counted, and where it isn't where one would look for it.
    fn subtitle(&self) -> String {
        let all = format!("{} {}", count(self.total() + self.beyond), self.counted);
        let end = self.unit.short(self.ends.1);
        match (self.beyond, self.above) {
            (0, 0) => all,
            (0, above) => format!("{all}; the last bar holds the {} above {end} too", count(above)),
            (beyond, _) => format!("{all}; {} not shown, beyond the ends", count(beyond)),
        }
    }

    /// All values that were counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    fn color(&self, group: usize) -> Rgb {
        match self.groups.len() {
            3 => LEVELS.get(group).copied().unwrap_or(theme::MAIN),
            _ => theme::series(group),
        }
    }

    fn stretch(&self, place: usize) -> (f64, f64) {
        let (low, high) = self.ends;
        let edge = |place: usize| {
            let part = place as f64 / self.counts.len() as f64;
            if self.log { low * libm::pow(high / low, part) } else { low + (high - low) * part }
        };
        (edge(place), edge(place + 1))
    }
}

impl Chart for Histogram {
    fn finding(&self) -> String {
        let (total, last) = (self.total(), self.groups.len().saturating_sub(1));
        let of = |group: usize| self.counts.iter().filter_map(|groups| groups.get(group)).sum::<u64>();
        match (self.groups.last(), self.median) {
            _ if total == 0 => "No values".to_owned(),
            (Some(name), _) => {
                let share = percent(of(last) as f64 / total as f64);
                let number = usize::try_from(of(last)).unwrap_or(usize::MAX);
                let number = counted(number, self.counted.trim_end_matches('s'), &self.counted);
                sentence(&format!("{name}: {number} ({share})"))
            }
            (None, Some(median)) => {
                let median = self.unit.short(median);
                sentence(&format!("{}: half of all {} lie below {median}", self.measure, self.counted))
            }
            (None, None) => sentence(&self.measure),
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        let title = self.title.clone().unwrap_or_else(|| self.finding());
        if self.total() == 0 {
            return Drawing::nothing(width, &title, "There are no values to show.");
        }
        let most = self.counts.iter().map(|groups| groups.iter().sum::<u64>()).max().unwrap_or(0);
        let mut drawing = Drawing::titled(width, &title, &self.subtitle());
        if self.groups.len() > 1 {
            let entries =
                self.groups.iter().enumerate().map(|(at, name)| (text::clean(name), self.color(at)));
            legend(&mut drawing, &entries.collect::<Vec<_>>());
        }
        let upright_axis = Axis::whole(&self.counted, &Unit::Number, (0.0, most as f64), 4.0);
        let top = begin(&mut drawing, (PADDING, width - PADDING), &upright_axis.name);
        let left = PADDING + upright_axis.widest() + 6.0;
        let frame = Area { left, top, right: width - PADDING - 6.0, bottom: top + 200.0 };
        let y = upright(&mut drawing, &upright_axis, frame);
        let axis = match self.log {
            true => Axis::log(&self.measure, &self.unit, self.ends),
            false => Axis::linear(&self.measure, &self.unit, self.ends, 5.0),
        };
        let x = level(&mut drawing, &axis, frame, false);
        for (place, groups) in self.counts.iter().enumerate() {
            let (from, to) = self.stretch(place);
            let mut below = 0;
            for (group, number) in groups.iter().enumerate().filter(|(_, number)| **number > 0) {
                let (low, high) = (y.at(below as f64), y.at((below + number) as f64));
                drawing.rect(
                    (x.at(from) + 0.5, low),
                    ((x.at(to) - 0.5).max(x.at(from) + 1.0), high),
                    self.color(group),
                );
                below += number;
            }
        }
        drawing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::drawing::legible;
    use crate::present::chart::{NARROW, WIDE};

    fn churn() -> Histogram {
        let groups = ["low risk", "medium risk", "high risk"];
        let churn = Histogram::new("probability of churn", Unit::Percent, (0.0, 1.0), &groups, 20);
        Histogram { counted: "customers".to_owned(), ..churn }
    }

    #[test]
    fn values_fall_into_their_stretch() {
        let mut chart = churn();
        for value in [0.0, 0.049, 0.05, 0.999, 1.0, 1.1, -0.1, f64::NAN] {
            chart.add(value, 0);
        }
        assert_eq!((chart.counts[0][0], chart.counts[1][0], chart.counts[19][0]), (2, 1, 2));
        assert_eq!(chart.total(), 5);
    }

    #[test]
    fn stretches_of_equal_factors() {
        let mut spend = Histogram::new("total spend", Unit::Number, (1.0, 1_000.0), &[], 3);
        spend.log = true;
        for value in [0.5, 1.0, 9.0, 11.0, 99.0, 101.0, 1_000.0, 1_001.0] {
            spend.add(value, 0);
        }
        assert_eq!(spend.counts, [[2], [2], [2]]);
        assert_eq!(spend.beyond, 2);
        let (from, to) = spend.stretch(1);
        assert!((from - 10.0).abs() < 1e-9 && (to - 100.0).abs() < 1e-9);
        legible::check(&spend.draw(NARROW));
    }

    #[test]
    fn the_finding_counts_the_highest_group_or_names_the_median() {
        let mut chart = churn();
        [0.11, 0.12, 0.13].into_iter().for_each(|value| chart.add(value, 0));
        chart.add(0.9, 2);
        assert_eq!(chart.finding(), "High risk: 1 customer (25%)");
        assert_eq!(churn().finding(), "No values");
        let mut spend = Histogram::new("total spend", Unit::Number, (0.0, 10.0), &[], 10);
        [1.0, 2.0, 30.0].into_iter().for_each(|value| spend.add(value, 0));
        spend.median = Some(2.0);
        assert_eq!(spend.finding(), "Total spend: half of all rows lie below 2");
        assert_eq!(spend.beyond, 1);
    }

    #[test]
    fn values_above_the_end_are_drawn_in_the_last_bar() {
        let mut spend = Histogram::new("total spend", Unit::Number, (0.0, 10.0), &[], 10);
        [-5.0, 1.0, 9.5, 30.0, f64::INFINITY].into_iter().for_each(|value| spend.add_or_above(value, 0));
        assert_eq!((spend.counts[9][0], spend.above, spend.beyond, spend.total()), (2, 1, 1, 3));
        spend.beyond = 0;
        assert_eq!(spend.subtitle(), "3 rows; the last bar holds the 1 above 10 too");
    }

    #[test]
    fn full_and_empty_histograms_fit() {
        let mut chart = churn();
        chart.counts = vec![vec![123_456_789_012, 5, 7]; 20];
        for width in [WIDE, NARROW] {
            legible::check(&chart.draw(width));
            legible::check(&churn().draw(width));
        }
        let mut one = Histogram::new("spend", Unit::Number, (5.0, 5.0), &[], 10);
        one.add(5.0, 0);
        legible::check(&one.draw(WIDE));
    }
}
