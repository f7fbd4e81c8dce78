//! Processes of customers: when each one buys, and what their purchases are like.
//!
//! Knows customers as numbers and moments as steps; knows nothing of column names.

use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::copula::{self, Copula};
use super::marginal::{decimals, round};
use crate::model::mixed::{Column, MISSING, take};
use crate::model::random::Streams;

/// Added to a gap of so many days before its logarithm is taken, so that two purchases on a day have one.
const HALF: f64 = 0.5;

/// What is known of purchases: their customer, their moment in steps, and other columns.
#[derive(Clone, Debug)]
pub struct Purchases {
    /// The customer of each purchase, from 0.
    pub customers: Vec<u32>,
    /// When it was; finite.
    pub times: Vec<f64>,
    /// What else is known of it.
    pub marks: Vec<Column>,
}

/// What customers are like, and how their purchases scatter about that.
#[derive(Clone, Debug)]
pub struct Process {
    /// Purchases, first day, mean logarithm of gaps, and the level of each mark.
    customers: Copula,
    /// How a gap differs from the customer's, the time of day, and how each mark differs from the customer's level.
    purchases: Copula,
    marks: Vec<Mark>,
    /// The mean logarithm of all gaps.
    gap: f64,
    /// The last moment.
    last: f64,
    day: f64,
}

/// How a column is made of a customer's level.
#[derive(Clone, Debug)]
enum Mark {
    /// The level times, or plus, what a purchase differs by.
    Number { ratio: bool, decimals: Option<i32>, range: (f64, f64), middle: f64 },
    /// The customer's most frequent category, or one of the others by how often they occur.
    Levels { counts: Vec<f64> },
}

/// Learns purchases, of which there must be one at least; `day` is how many steps a day has.
///
/// Each customer has a number of purchases, a first day, a mean gap, and a level of each column: these hang together by a Gaussian
/// copula. Purchases scatter about them: gaps by a factor, numbers by a factor (or a difference, where some aren't positive), categories
/// by whether they are the customer's most frequent one; these hang together by another copula. O(n log n).
pub fn fit(purchases: &Purchases, day: f64) -> Process {
    let Purchases { customers, times, marks } = purchases;
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by(|one, two| customers[*one].cmp(&customers[*two]).then(times[*one].total_cmp(&times[*two])));
    let groups: Vec<&[usize]> = order.chunk_by(|one, two| customers[*one] == customers[*two]).collect();
    let days = |row: usize| (times[row] / day).floor();
    let gaps: Vec<Vec<f64>> = groups
        .iter()
        .map(|rows| rows.windows(2).map(|pair| libm::log(days(pair[1]) - days(pair[0]) + HALF)).collect())
        .collect();
    let own: Vec<f64> = gaps.iter().map(|gaps| mean(gaps)).collect();
    let number = |of: &dyn Fn(&&[usize]) -> f64| Column::Numbers(groups.iter().map(of).collect());
    let mut levels =
        vec![number(&|rows| rows.len() as f64), number(&|rows| days(rows[0])), Column::Numbers(own.clone())];
    let mut scatter = vec![
        residuals(&gaps, &own),
        Column::Numbers(order.iter().map(|row| times[*row] - days(*row) * day).collect()),
    ];
    let mut made = Vec::new();
    for column in marks {
        let (mark, level, difference) = mark(&column.take(&order), &groups);
        made.push(mark);
        levels.push(level);
        scatter.push(difference);
    }
    let (customers, purchases) = rayon::join(|| copula::fit(&levels), || copula::fit(&scatter));
    let all: Vec<f64> = gaps.concat();
    let last = times.iter().fold(f64::NEG_INFINITY, |last, time| last.max(*time));
    Process {
        customers,
        purchases,
        marks: made,
        gap: if all.is_empty() { 0.0 } else { mean(&all) },
        last,
        day,
    }
}

/// The mean; NaN of none.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// How each purchase's gap to the one before differs from the customer's mean; first purchases take one of the others'.
fn residuals(gaps: &[Vec<f64>], own: &[f64]) -> Column {
    let known: Vec<f64> =
        gaps.iter().zip(own).flat_map(|(gaps, own)| gaps.iter().map(move |gap| gap - own)).collect();
    let mut next = known.iter();
    let mut out = Vec::new();
    for (customer, gaps) in gaps.iter().enumerate() {
        // Any fixed pattern that doesn't favour some values.
        out.push(if known.is_empty() { 0.0 } else { known[customer.wrapping_mul(7_919) % known.len()] });
        out.extend(next.by_ref().take(gaps.len()).copied());
    }
    Column::Numbers(out)
}

/// A column, by customer and time, as levels of customers and differences of purchases.
fn mark(column: &Column, groups: &[&[usize]]) -> (Mark, Column, Column) {
    let mut ends = Vec::new();
    let mut end = 0;
    for rows in groups {
        ends.push(end..end + rows.len());
        end += rows.len();
    }
    match column {
        Column::Numbers(values) => {
            let there: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
            let ratio = !there.is_empty() && there.iter().all(|value| *value > 0.0);
            let scaled: Vec<f64> =
                values.iter().map(|value| if ratio { libm::log(*value) } else { *value }).collect();
            let own: Vec<f64> = ends
                .iter()
                .map(|range| {
                    mean(
                        &scaled[range.clone()]
                            .iter()
                            .copied()
                            .filter(|value| !value.is_nan())
                            .collect::<Vec<_>>(),
                    )
                })
                .collect();
            let differences = ends
                .iter()
                .zip(&own)
                .flat_map(|(range, own)| scaled[range.clone()].iter().map(move |value| value - own));
            let differences = Column::Numbers(differences.collect());
            let low = there.iter().fold(f64::INFINITY, |low, value| low.min(*value));
            let high = there.iter().fold(f64::NEG_INFINITY, |high, value| high.max(*value));
            let middle = mean(&own.iter().copied().filter(|own| !own.is_nan()).collect::<Vec<_>>());
            let mark = Mark::Number { ratio, decimals: decimals(&there), range: (low, high), middle };
            (mark, Column::Numbers(own), differences)
        }
        Column::Levels { codes, count } => {
            let mut counts = vec![0.0; *count as usize];
            codes.iter().filter(|code| **code != MISSING).for_each(|code| counts[*code as usize] += 1.0);
            let favourites: Vec<u32> =
                ends.iter().map(|range| favourite(&codes[range.clone()], *count)).collect();
            let same = ends.iter().zip(&favourites).flat_map(|(range, favourite)| {
                codes[range.clone()]
                    .iter()
                    .map(move |code| if *code == MISSING { MISSING } else { u32::from(code == favourite) })
            });
            let same = Column::Levels { codes: same.collect(), count: 2 };
            (Mark::Levels { counts }, Column::Levels { codes: favourites, count: *count }, same)
        }
    }
}

/// The most frequent level; the first among equals, missing where there is none.
fn favourite(codes: &[u32], count: u32) -> u32 {
    let mut counts = vec![0_usize; count as usize];
    codes.iter().filter(|code| **code != MISSING).for_each(|code| counts[*code as usize] += 1);
    let best = (0..count).rev().max_by_key(|level| counts[*level as usize]);
    best.filter(|level| counts[*level as usize] > 0).unwrap_or(MISSING)
}

impl Process {
    /// Draws the purchases of so many customers, customer by customer, each one's in order of time. The same seed gives the same ones.
    pub fn sample(&self, count: usize, seed: u64) -> Purchases {
        let draw =
            |copula: &Copula, rows: usize, seed: u64| copula.sample(rows, seed, &[]).unwrap_or_default();
        let mut seeds = Streams::new(seed, "process").of(0);
        let levels = draw(&self.customers, count, seeds.next_u64());
        let counts: Vec<usize> = numbers(&levels[0]).iter().map(|count| count.max(1.0) as usize).collect();
        let scatter = draw(&self.purchases, counts.iter().sum(), seeds.next_u64());
        let others = Streams::new(seeds.next_u64(), "other categories");
        let mut starts = Vec::with_capacity(count);
        let mut start = 0;
        for count in &counts {
            starts.push(start..start + count);
            start += count;
        }
        let of = |(customer, rows): (usize, &std::ops::Range<usize>)| {
            let mut rng = others.of(customer as u64);
            let scatter = take(&scatter, &rows.clone().collect::<Vec<_>>());
            let times = self.times(customer, &levels, &scatter);
            let marks = self.marks.iter().enumerate();
            let marks =
                marks.map(|(at, mark)| mark.made(customer, &levels[3 + at], &scatter[2 + at], &mut rng));
            (times, marks.collect::<Vec<_>>())
        };
        let made: Vec<(Vec<f64>, Vec<Column>)> = starts.par_iter().enumerate().map(of).collect();
        let mut all = Purchases { customers: Vec::new(), times: Vec::new(), marks: Vec::new() };
        for (customer, (times, marks)) in (0..).zip(made) {
            all.customers.extend(std::iter::repeat_n(customer, times.len()));
            all.times.extend(times);
            if customer == 0 {
                all.marks = marks;
            } else {
                all.marks.iter_mut().zip(&marks).for_each(|(column, more)| column.append(more));
            }
        }
        all
    }

    /// A customer's moments, in order; none after the last that is known.
    fn times(&self, customer: usize, levels: &[Column], scatter: &[Column]) -> Vec<f64> {
        let (first, own) = (numbers(&levels[1])[customer], numbers(&levels[2])[customer]);
        let own = if own.is_nan() { self.gap } else { own };
        let gap = |difference: &f64| (libm::exp(own + difference) - HALF).max(0.0);
        let gaps: Vec<f64> = numbers(&scatter[0]).iter().skip(1).map(gap).collect();
        let (span, left) = (gaps.iter().sum::<f64>(), (self.last / self.day).floor() - first);
        // Who would buy beyond the end buys as often, but sooner.
        let pace = if span > left { left.max(0.0) / span } else { 1.0 };
        let mut day = first;
        let days = std::iter::once(0.0).chain(gaps).map(|gap| {
            day += gap * pace;
            day.floor()
        });
        let hours = numbers(&scatter[1]).iter();
        let mut times: Vec<f64> =
            days.zip(hours).map(|(day, hour)| (day * self.day + hour).round().min(self.last)).collect();
        times.sort_by(f64::total_cmp);
        times
    }
}

impl Mark {
    /// A column of a customer's purchases.
    fn made(&self, customer: usize, level: &Column, scatter: &Column, rng: &mut impl Rng) -> Column {
        match (self, level, scatter) {
            (
                Self::Number { ratio, decimals, range, middle },
                Column::Numbers(own),
                Column::Numbers(differences),
            ) => {
                let own = if own[customer].is_nan() { *middle } else { own[customer] };
                let value = |difference: &f64| {
                    let value = if *ratio { libm::exp(own + difference) } else { own + difference };
                    if value.is_nan() { value } else { round(value.clamp(range.0, range.1), *decimals) }
                };
                Column::Numbers(differences.iter().map(value).collect())
            }
            (Self::Levels { counts }, Column::Levels { codes: own, .. }, Column::Levels { codes, .. }) => {
                let own = own[customer];
                let level = |same: &u32| match same {
                    1 if own != MISSING => own,
                    &MISSING => MISSING,
                    _ => other(counts, own, rng),
                };
                Column::Levels { codes: codes.iter().map(level).collect(), count: counts.len() as u32 }
            }
            _ => scatter.clone(),
        }
    }
}

/// A category other than a customer's own, by how often they occur; the own one where there is no other.
fn other(counts: &[f64], own: u32, rng: &mut impl Rng) -> u32 {
    let weight = |level: usize| if level as u32 == own { 0.0 } else { counts[level] };
    let mut left = rng.random::<f64>() * (0..counts.len()).map(weight).sum::<f64>();
    let mut last = own;
    for level in (0..counts.len()).filter(|level| weight(*level) > 0.0) {
        last = level as u32;
        left -= weight(level);
        if left < 0.0 {
            break;
        }
    }
    last
}

fn numbers(column: &Column) -> &[f64] {
    if let Column::Numbers(values) = column { values } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::synthesize::normal::draw;

    /// Customers with 1 to 9 purchases, a spend of their own and a favourite channel.
    fn purchases(count: u32) -> Purchases {
        let mut rng = Streams::new(8, "process test").of(0);
        let (mut customers, mut times, mut amounts, mut channels) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for customer in 0..count {
            let (level, favourite) = (3.0 + draw(&mut rng), rng.random_range(0..3));
            let mut time = rng.random_range(0.0..100.0_f64).floor() * 24.0;
            for _ in 0..rng.random_range(1..10) {
                customers.push(customer);
                times.push(time + rng.random_range(9.0..18.0_f64).floor());
                amounts.push((libm::exp(level + 0.2 * draw(&mut rng)) * 100.0).round() / 100.0 + 0.01);
                channels.push(if rng.random::<f64>() < 0.8 { favourite } else { rng.random_range(0..3) });
                time += 24.0 * rng.random_range(1.0..30.0_f64).floor();
            }
        }
        Purchases {
            customers,
            times,
            marks: vec![Column::Numbers(amounts), Column::Levels { codes: channels, count: 3 }],
        }
    }

    /// The share of the variance of log amounts that lies between customers, and that of purchases in the favourite channel.
    fn shares(purchases: &Purchases) -> (f64, f64) {
        let logs: Vec<f64> = numbers(&purchases.marks[0]).iter().map(|value| libm::log(*value)).collect();
        let Column::Levels { codes, count } = &purchases.marks[1] else { panic!("no levels") };
        let (all, mut between, mut same) = (mean(&logs), 0.0, 0.0);
        let rows: Vec<usize> = (0..logs.len()).collect();
        for rows in rows.chunk_by(|one, two| purchases.customers[*one] == purchases.customers[*two]) {
            let range = rows[0]..rows[0] + rows.len();
            between +=
                (mean(&logs[range.clone()]) - all) * (mean(&logs[range.clone()]) - all) * rows.len() as f64;
            let own = favourite(&codes[range.clone()], *count);
            same += codes[range].iter().filter(|code| **code == own).count() as f64;
        }
        let total: f64 = logs.iter().map(|value| (value - all) * (value - all)).sum();
        (between / total, same / logs.len() as f64)
    }

    #[test]
    fn dates_are_ordered_and_customers_stay_themselves() {
        let real = purchases(600);
        let made = fit(&real, 24.0).sample(600, 1);
        for pair in made.times.iter().zip(&made.customers).collect::<Vec<_>>().windows(2) {
            assert!(pair[0].1 < pair[1].1 || (pair[0].1 == pair[1].1 && pair[0].0 <= pair[1].0));
        }
        let last = real.times.iter().fold(0.0_f64, |last, time| last.max(*time));
        assert!(made.times.iter().all(|time| *time <= last && (9.0..=18.0).contains(&(time % 24.0))));
        let rate = made.times.len() as f64 / real.times.len() as f64;
        assert!((rate - 1.0).abs() < 0.06, "{rate}");
        let (of_real, of_made) = (shares(&real), shares(&made));
        assert!(
            (of_real.0 - of_made.0).abs() < 0.08 && (of_real.1 - of_made.1).abs() < 0.08,
            "{of_real:?} {of_made:?}"
        );
        assert_eq!(made.times, fit(&real, 24.0).sample(600, 1).times);
    }

    #[test]
    fn one_purchase_is_enough() {
        let one = Purchases {
            customers: vec![0],
            times: vec![5.0],
            marks: vec![Column::Numbers(vec![f64::NAN]), Column::Levels { codes: vec![MISSING], count: 0 }],
        };
        let made = fit(&one, 1.0).sample(3, 1);
        assert_eq!((made.times, made.customers), (vec![5.0; 3], vec![0, 1, 2]));
        assert_eq!(made.marks[0].missing() + made.marks[1].missing(), 6);
    }
}
