//! A number with its first and second derivatives in up to four parameters.
//!
//! Knows sums and logarithms of sums; does not know which parameters these are.

/// Parameters that a [`Local`] has derivatives in; models with fewer leave the last ones at 0.
pub const SLOTS: usize = 4;

/// A value, its slope and its curvature.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Local {
    /// The value.
    pub value: f64,
    /// First derivatives.
    pub slope: [f64; SLOTS],
    /// Second derivatives, symmetric.
    pub curve: [[f64; SLOTS]; SLOTS],
}

impl Local {
    /// Adds `weight` times another one.
    pub fn add(&mut self, other: &Self, weight: f64) {
        self.value += weight * other.value;
        for i in 0..SLOTS {
            self.slope[i] += weight * other.slope[i];
            for j in 0..SLOTS {
                self.curve[i][j] += weight * other.curve[i][j];
            }
        }
    }

    /// Adds a function of one parameter, given as its value and two derivatives.
    pub fn add_of_one(&mut self, at: usize, [value, first, second]: [f64; 3], weight: f64) {
        self.value += weight * value;
        self.slope[at] += weight * first;
        self.curve[at][at] += weight * second;
    }

    /// Adds a function of the sum of two parameters.
    pub fn add_of_sum(&mut self, one: usize, two: usize, [value, first, second]: [f64; 3], weight: f64) {
        self.value += weight * value;
        for i in [one, two] {
            self.slope[i] += weight * first;
            for j in [one, two] {
                self.curve[i][j] += weight * second;
            }
        }
    }

    /// Sets a mixed second derivative, on both sides of the diagonal.
    pub fn set_mixed(&mut self, one: usize, two: usize, value: f64) {
        self.curve[one][two] = value;
        self.curve[two][one] = value;
    }

    /// The derivatives in the logarithms of the parameters `p` instead: `d/dln p = p d/dp`.
    #[must_use]
    pub fn in_logs(&self, p: &[f64; SLOTS]) -> Self {
        let mut logs = *self;
        for i in 0..SLOTS {
            logs.slope[i] *= p[i];
            for j in 0..SLOTS {
                logs.curve[i][j] *= p[i] * p[j];
            }
            logs.curve[i][i] += logs.slope[i];
        }
        logs
    }
}

/// `ln(sum of exp)` of values that come one after the other, with derivatives.
///
/// With `w` the share of each term in the sum and `s` and `c` its slope and curvature: slope
/// `sum w s`, curvature `sum w (c + s s') - slope slope'`. Never overflows: all is kept relative to
/// the largest term so far.
#[derive(Clone, Copy, Debug)]
pub struct LogSum {
    largest: f64,
    total: f64,
    slope: [f64; SLOTS],
    square: [[f64; SLOTS]; SLOTS],
}

impl LogSum {
    /// The sum of nothing.
    pub fn new() -> Self {
        Self { largest: f64::NEG_INFINITY, total: 0.0, slope: [0.0; SLOTS], square: [[0.0; SLOTS]; SLOTS] }
    }

    /// Adds `exp(term)`, `times` over.
    pub fn add(&mut self, term: &Local, times: f64) {
        if term.value == f64::NEG_INFINITY {
            return;
        }
        if term.value > self.largest {
            self.rescale(libm::exp(self.largest - term.value));
            self.largest = term.value;
        }
        let part = times * libm::exp(term.value - self.largest);
        self.total += part;
        for i in 0..SLOTS {
            let pull = part * term.slope[i];
            self.slope[i] += pull;
            for j in i..SLOTS {
                self.square[i][j] += part * term.curve[i][j] + pull * term.slope[j];
            }
        }
    }

    fn rescale(&mut self, factor: f64) {
        self.total *= factor;
        self.slope.iter_mut().for_each(|value| *value *= factor);
        self.square.iter_mut().flatten().for_each(|value| *value *= factor);
    }

    /// The sum itself, relative to the largest term.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// The logarithm of the sum; minus infinity, with derivatives of 0, for nothing.
    pub fn log(&self) -> Local {
        if self.total <= 0.0 {
            return Local { value: f64::NEG_INFINITY, ..Local::default() };
        }
        let mut log = Local { value: self.largest + libm::log(self.total), ..Local::default() };
        log.slope = self.slope.map(|value| value / self.total);
        for i in 0..SLOTS {
            for j in i..SLOTS {
                log.set_mixed(i, j, self.square[i][j] / self.total - log.slope[i] * log.slope[j]);
            }
        }
        log
    }
}
