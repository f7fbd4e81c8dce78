//! The models of repeat purchases: their parameters, and the likelihood of one history.
//!
//! Does not know how parameters are found.

use super::local::{Local, SLOTS};
use super::special::{Rising, log_rising};
use super::{History, beta_binomial, beta_geometric, pareto};

/// A model of repeat purchases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Purchases at constant rates that differ between customers (gamma `r`, `alpha`), and nobody ever
    /// leaves: the negative binomial distribution. Ehrenberg, "The pattern of consumer purchases" (1959).
    Nbd,
    /// Besides, customers leave after a repeat purchase with a chance that differs between them (beta
    /// `a`, `b`): BG/NBD. Fader, Hardie and Lee, "Counting your customers the easy way" (2005).
    BetaGeometric,
    /// The same, but they may leave after their first purchase too: MBG/NBD. Batislam, Denizel and
    /// Filiztekin, "Empirical validation and comparison of models for customer base analysis" (2007).
    ModifiedBetaGeometric,
    /// Customers leave at any time, at rates that differ (gamma `s`, `beta`): Pareto/NBD.
    /// Schmittlein, Morrison and Colombo, "Counting your customers" (1987).
    Pareto,
    /// Times are numbers of opportunities; at each one a customer who is still there buys with a chance
    /// (beta `alpha`, `beta`), and leaves before it with another (beta `gamma`, `delta`): BG/BB.
    /// Fader, Hardie and Shang, "Customer-base analysis in a discrete-time noncontractual setting" (2010).
    BetaBinomial,
    /// Contracts: `age` is how many renewals came due until the customer missed one, `repeats` how many
    /// were made (beta `alpha`, `beta`): the shifted beta geometric distribution.
    /// Fader and Hardie, "How to project customer retention" (2007).
    ShiftedGeometric,
}

/// Where covariates act: on the logarithm of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// What a positive effect makes more of: `purchase` or `dropout`.
    pub on: &'static str,
    /// The position of the parameter.
    pub parameter: usize,
    /// Whether a positive effect raises the parameter (1) or lowers it (-1).
    pub sign: f64,
}

const fn link(on: &'static str, parameter: usize, sign: f64) -> Link {
    Link { on, parameter, sign }
}

impl Family {
    /// The names of its parameters, as the literature has them.
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Nbd => &["r", "alpha"],
            Self::BetaGeometric | Self::ModifiedBetaGeometric => &["r", "alpha", "a", "b"],
            Self::Pareto => &["r", "alpha", "s", "beta"],
            Self::BetaBinomial => &["alpha", "beta", "gamma", "delta"],
            Self::ShiftedGeometric => &["alpha", "beta"],
        }
    }

    /// Which parameters are measured in time; the others are pure numbers.
    pub fn in_time(self) -> &'static [usize] {
        match self {
            Self::Nbd | Self::BetaGeometric | Self::ModifiedBetaGeometric => &[1],
            Self::Pareto => &[1, 3],
            Self::BetaBinomial | Self::ShiftedGeometric => &[],
        }
    }

    /// Whether times are numbers of opportunities.
    pub fn is_discrete(self) -> bool {
        self.in_time().is_empty()
    }

    /// Where covariates act. Rates of purchase are divided by `alpha`, so a positive effect lowers it;
    /// rates of dropout rise with `a` and `gamma`, and fall with Pareto's `beta`.
    ///
    /// Fader and Hardie, "Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models"
    /// (2007), with one effect on dropout for BG/NBD, on `a`.
    pub fn links(self) -> &'static [Link] {
        const NBD: &[Link] = &[link("purchase", 1, -1.0)];
        const BETA_GEOMETRIC: &[Link] = &[link("purchase", 1, -1.0), link("dropout", 2, 1.0)];
        const PARETO: &[Link] = &[link("purchase", 1, -1.0), link("dropout", 3, -1.0)];
        const BETA_BINOMIAL: &[Link] = &[link("purchase", 0, 1.0), link("dropout", 2, 1.0)];
        const GEOMETRIC: &[Link] = &[link("dropout", 0, 1.0)];
        match self {
            Self::Nbd => NBD,
            Self::BetaGeometric | Self::ModifiedBetaGeometric => BETA_GEOMETRIC,
            Self::Pareto => PARETO,
            Self::BetaBinomial => BETA_BINOMIAL,
            Self::ShiftedGeometric => GEOMETRIC,
        }
    }

    /// The bases of the rising factorials in its likelihood.
    fn bases(self, p: &[f64; SLOTS]) -> Vec<f64> {
        match self {
            Self::Nbd | Self::Pareto => vec![p[0]],
            Self::BetaGeometric | Self::ModifiedBetaGeometric => vec![p[0], p[3], p[2] + p[3]],
            Self::BetaBinomial => vec![p[0], p[1], p[0] + p[1], p[3], p[2] + p[3]],
            Self::ShiftedGeometric => vec![p[1], p[0] + p[1]],
        }
    }
}

/// Tables of rising factorials are no longer than this.
const LONGEST: usize = 4_096;

/// Rising factorials of a model's bases: from tables, or one by one.
#[derive(Clone, Debug)]
pub enum Rises {
    /// For many histories with the same parameters; what is beyond a table is computed.
    Tables(Vec<(f64, Rising)>),
    /// For one history.
    Bases(Vec<f64>),
}

impl Rises {
    /// Tables for factorials of up to `largest` factors.
    pub fn tables(family: Family, p: &[f64; SLOTS], largest: usize) -> Self {
        let table = |base| (base, Rising::up_to(base, largest.min(LONGEST)));
        Self::Tables(family.bases(p).into_iter().map(table).collect())
    }

    /// No tables.
    pub fn direct(family: Family, p: &[f64; SLOTS]) -> Self {
        Self::Bases(family.bases(p))
    }

    /// `ln (base)_n` of the base at a position, with its derivatives in the base.
    pub fn at(&self, base: usize, n: usize) -> [f64; 3] {
        match self {
            Self::Tables(tables) => {
                let (base, table) = &tables[base];
                table.at(n).unwrap_or_else(|| log_rising(*base, n))
            }
            Self::Bases(bases) => log_rising(bases[base], n),
        }
    }
}

/// The part of a history's log-likelihood that only the number of repeat purchases matters to, with
/// derivatives in the parameters; 0 for discrete models, which have no such part.
pub fn by_count(family: Family, p: &[f64; SLOTS], rises: &Rises, repeats: u32) -> Local {
    let (n, mut sum) = (repeats as usize, Local::default());
    match family {
        Family::BetaBinomial | Family::ShiftedGeometric => return sum,
        Family::BetaGeometric => beta_geometric::add_survival(&mut sum, rises, n),
        Family::ModifiedBetaGeometric => beta_geometric::add_survival(&mut sum, rises, n + 1),
        Family::Pareto => add_power(&mut sum, p, 2, 3),
        Family::Nbd => {}
    }
    sum.add_of_one(0, rises.at(0, n), 1.0);
    add_power(&mut sum, p, 0, 1);
    sum
}

/// Adds `shape ln(scale)`.
fn add_power(sum: &mut Local, p: &[f64; SLOTS], shape: usize, scale: usize) {
    let log = libm::log(p[scale]);
    sum.add_of_one(shape, [p[shape] * log, log, 0.0], 1.0);
    let inverse = 1.0 / p[scale];
    sum.add_of_one(scale, [0.0, p[shape] * inverse, -p[shape] * inverse * inverse], 1.0);
    sum.curve[shape][scale] += inverse;
    sum.curve[scale][shape] += inverse;
}

/// The rest of a history's log-likelihood, with derivatives in the parameters.
pub fn by_time(family: Family, p: &[f64; SLOTS], rises: &Rises, history: &History) -> Local {
    match family {
        Family::Nbd => beta_geometric::silent(p, history),
        Family::BetaGeometric => beta_geometric::by_time(p, history, 0),
        Family::ModifiedBetaGeometric => beta_geometric::by_time(p, history, 1),
        Family::Pareto => pareto::by_time(p, history),
        Family::BetaBinomial => beta_binomial::log_likelihood(rises, p, history),
        Family::ShiftedGeometric => beta_binomial::renewals(rises, p, history),
    }
}
