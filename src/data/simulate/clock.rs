//! A shop's clock: how fast orders come at each hour of each day, and back from load to time.
//!
//! Orders of a customer are a Poisson process whose intensity follows the weekday, the season,
//! the hour and growth. Measured in *load* (the integral of that intensity) it is a homogeneous
//! process, so drawing gaps in load and mapping them back is exact, and needs no thinning.
//! (Cinlar, Introduction to Stochastic Processes, 1975, section 4.7.)

use crate::data::dates;

/// Seconds in a day.
pub const DAY: u32 = 86_400;

/// Relative orders from Monday to Sunday; they average to one.
pub const WEEKDAYS: [f64; 7] = {
    let mut days = [0.90, 0.85, 0.90, 1.00, 1.25, 1.40, 1.10];
    let sum = days[0] + days[1] + days[2] + days[3] + days[4] + days[5] + days[6];
    let mut at = 0;
    while at < 7 {
        days[at] *= 7.0 / sum;
        at += 1;
    }
    days
};

/// Relative orders in each hour of a day.
const HOURS: [f64; 24] = [
    1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 8.0, 12.0, 14.0, 15.0, 16.0, 18.0, 16.0, 14.0, 14.0, 15.0, 18.0, 22.0,
    24.0, 20.0, 12.0, 6.0, 3.0,
];

/// Cells of the guide table within a day.
const CELLS: usize = 256;

/// Cells of the guide table for each day of the period.
const CELLS_A_DAY: usize = 2;

/// The load of a period: one unit is what a day brings in a neutral week at the start.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Load before each day, and of the whole period at the end.
    cumulative: Vec<f64>,
    /// For equal steps of load, the day in which each begins.
    guide: Vec<u32>,
    cells_per_load: f64,
    hours: Hours,
}

impl Clock {
    /// The clock of a period of days, for a strength of the yearly season and a growth a year.
    pub fn new(first_day: i32, days: u32, season: f64, growth: f64) -> Self {
        let year = yearly(season);
        let mut cumulative = Vec::with_capacity(days as usize + 1);
        let mut load = 0.0;
        for day in 0..days {
            cumulative.push(load);
            let date = first_day.saturating_add_unsigned(day);
            let trend = libm::pow(1.0 + growth, f64::from(day) / 365.25);
            load += WEEKDAYS[dates::weekday(date)] * year[dates::ordinal(date) as usize - 1] * trend;
        }
        cumulative.push(load);
        let (guide, cells_per_load) = guide(&cumulative);
        Self { cumulative, guide, cells_per_load, hours: Hours::new() }
    }

    /// Load of the whole period.
    pub fn total(&self) -> f64 {
        self.cumulative.last().copied().unwrap_or_default()
    }

    /// Load before a number of whole days.
    pub fn before(&self, day: usize) -> f64 {
        self.cumulative.get(day).copied().unwrap_or_else(|| self.total())
    }

    /// Load from the start to a time in seconds; times beyond the period have its whole load.
    pub fn load(&self, seconds: f64) -> f64 {
        let day = (seconds / f64::from(DAY)) as usize;
        match (self.cumulative.get(day), self.cumulative.get(day + 1)) {
            (Some(start), Some(end)) => {
                start + (end - start) * self.hours.load(seconds - day as f64 * f64::from(DAY))
            }
            _ => self.total(),
        }
    }

    /// The whole second at which a load is reached; the inverse of [`Clock::load`].
    pub fn second(&self, load: f64) -> u32 {
        let cell = ((load * self.cells_per_load) as usize).min(self.guide.len() - 1);
        let mut day = self.guide[cell] as usize;
        while day + 2 < self.cumulative.len() && self.cumulative[day + 1] <= load {
            day += 1;
        }
        let (start, end) = (self.cumulative[day], self.cumulative[day + 1]);
        day as u32 * DAY + self.hours.second((load - start) / (end - start))
    }
}

fn guide(cumulative: &[f64]) -> (Vec<u32>, f64) {
    let days = cumulative.len() - 1;
    let cells = days * CELLS_A_DAY;
    let total = cumulative[days];
    let mut day = 0;
    let guide = (0..cells).map(|cell| {
        let load = total * cell as f64 / cells as f64;
        while day + 1 < days && cumulative[day + 1] <= load {
            day += 1;
        }
        day as u32
    });
    (guide.collect(), cells as f64 / total)
}

/// Relative orders by day of the year: a winter wave, the weeks before the holidays and the
/// summer sales; `season` scales how far they stray from their mean of one.
fn yearly(season: f64) -> Vec<f64> {
    let peak = |day: f64, center: f64, width: f64| libm::exp(-0.5 * ((day - center) / width).powi(2));
    let shape = |day: f64| {
        let wave = 0.15 * libm::cos(std::f64::consts::TAU * (day - 350.0) / 365.25);
        1.0 + wave + 0.9 * peak(day, 335.0, 12.0) + 0.25 * peak(day, 190.0, 8.0)
    };
    let year: Vec<f64> = (1..=366).map(|day| shape(f64::from(day))).collect();
    let mean = |year: &[f64]| year[..365].iter().sum::<f64>() / 365.0;
    let center = mean(&year);
    // However strong the season, the shop never quite closes.
    let scaled: Vec<f64> =
        year.iter().map(|value| (1.0 + season * (value / center - 1.0)).max(0.02)).collect();
    let center = mean(&scaled);
    scaled.iter().map(|value| value / center).collect()
}

/// The load within a day, from 0 to 1.
#[derive(Clone, Debug)]
struct Hours {
    cumulative: [f64; 25],
    /// Seconds that a unit of load lasts, by hour.
    pace: [f64; 24],
    guide: [u8; CELLS],
}

impl Hours {
    fn new() -> Self {
        let total: f64 = HOURS.iter().sum();
        let mut cumulative = [1.0; 25];
        let mut before = 0.0;
        for (hour, weight) in HOURS.iter().enumerate() {
            cumulative[hour] = before / total;
            before += weight;
        }
        let pace = HOURS.map(|weight| 3600.0 * total / weight);
        let start = |cell: usize| cell as f64 / CELLS as f64;
        let guide = std::array::from_fn(|cell| {
            (1..24).take_while(|hour| cumulative[*hour] <= start(cell)).count() as u8
        });
        Self { cumulative, pace, guide }
    }

    fn load(&self, seconds: f64) -> f64 {
        let hour = ((seconds / 3600.0) as usize).min(23);
        self.cumulative[hour] + (seconds - hour as f64 * 3600.0) / self.pace[hour]
    }

    fn second(&self, load: f64) -> u32 {
        let mut hour = usize::from(self.guide[((load * CELLS as f64) as usize).min(CELLS - 1)]);
        while hour < 23 && self.cumulative[hour + 1] <= load {
            hour += 1;
        }
        let within = ((load - self.cumulative[hour]) * self.pace[hour]) as u32;
        hour as u32 * 3600 + within.min(3599)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-01-02, a Monday.
    const MONDAY: i32 = 19_359;

    #[test]
    fn a_neutral_week_and_year_have_their_days_as_load() {
        assert!((WEEKDAYS.iter().sum::<f64>() - 7.0).abs() < 1e-12);
        for season in [0.0, 1.0, 3.0, 10.0] {
            let year = yearly(season);
            assert!((year[..365].iter().sum::<f64>() - 365.0).abs() < 1e-9);
            assert!(year.iter().all(|value| *value > 0.0));
        }
        let clock = Clock::new(MONDAY, 700, 0.0, 0.0);
        assert!((clock.total() - 700.0).abs() < 1e-9);
        assert!((clock.before(5) - WEEKDAYS[..5].iter().sum::<f64>()).abs() < 1e-12);
    }

    #[test]
    fn load_and_second_are_inverse() {
        let clock = Clock::new(MONDAY, 400, 2.0, 0.1);
        for second in (0..400 * DAY).step_by(997) {
            // The middle of a second, so that rounding can't fall into its neighbour.
            assert_eq!(clock.second(clock.load(f64::from(second) + 0.5)), second);
        }
    }

    #[test]
    fn loads_at_and_beyond_the_ends_stay_inside() {
        let clock = Clock::new(MONDAY, 3, 1.0, 0.0);
        assert_eq!((clock.second(0.0), clock.second(clock.total() * 1.1)), (0, 3 * DAY - 1));
        assert_eq!((clock.load(0.0), clock.load(1e18)), (0.0, clock.total()));
        assert_eq!(Clock::new(MONDAY, 1, 1.0, 0.0).second(0.9999) / DAY, 0);
    }

    #[test]
    fn growth_compounds_by_year() {
        let grown = Clock::new(MONDAY, 7 * 157, 0.0, 0.5);
        let (first, last) = (grown.before(7), grown.total() - grown.before(7 * 156));
        let years = 7.0 * 156.0 / 365.25;
        assert!((last / first - 1.5_f64.powf(years)).abs() < 1e-9);
    }
}
