//! What scores mean, in words.
//!
//! The limits are those of the field: an AUC of up to 0.6, a ratio of 0.95, a half of the rows nearer to those learnt from.

use super::measured::Measured;
use crate::diagnostic::percent;

/// How good a score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grade {
    Good,
    Fair,
    Poor,
    Unknown,
}

impl Grade {
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
            Self::Unknown => "unknown",
        }
    }

    /// By two limits; a larger value is better.
    fn above(value: f64, good: f64, fair: f64) -> Self {
        match value {
            value if value.is_nan() => Self::Unknown,
            value if value >= good => Self::Good,
            value if value >= fair => Self::Fair,
            _ => Self::Poor,
        }
    }
}

/// How like the real table it is, from where it lies between floor and ceiling.
pub(super) fn likeness(position: f64) -> Grade {
    Grade::above(position, 0.75, 0.4)
}

/// How hard rows are to tell apart. An AUC below a half is chance.
pub(super) fn two_sample(auc: f64) -> Grade {
    Grade::above(-auc, -0.6, -0.75)
}

/// How well synthetic rows teach.
pub(super) fn utility(ratio: f64) -> Grade {
    Grade::above(ratio, 0.95, 0.85)
}

/// Whether rows are nearer to those learnt from than chance has it.
pub(super) fn closer(share: f64) -> Grade {
    Grade::above(-share, -0.55, -0.6)
}

/// Whether more rows are copies than of held-out rows.
pub(super) fn matches(share: f64, holdout: Option<f64>) -> Grade {
    holdout.map_or(Grade::Unknown, |holdout| Grade::above(holdout - share, -0.005, -0.02))
}

/// The worst grade of privacy.
pub(super) fn privacy(measured: &Measured) -> Grade {
    let (share, holdout) = measured.privacy.matches;
    let grades = [closer(measured.privacy.closer.unwrap_or(f64::NAN)), matches(share, holdout)];
    [Grade::Poor, Grade::Unknown, Grade::Fair]
        .into_iter()
        .find(|grade| grades.contains(grade))
        .unwrap_or(Grade::Good)
}

/// The verdict in a few words.
pub(super) fn sentence(measured: &Measured) -> String {
    let position = measured.position();
    let like = match likeness(position) {
        Grade::Unknown => "no relation of columns to judge by".to_owned(),
        _ if position < 0.05 => "no better than shuffled columns".to_owned(),
        _ => format!("{} of the way from shuffled columns to real rows", percent(position.min(1.0))),
    };
    let apart = match two_sample(measured.two_sample.0.unwrap_or(f64::NAN)) {
        Grade::Good => "hard to tell from real rows",
        Grade::Fair => "to be told from real rows now and then",
        Grade::Poor => "easy to tell from real rows",
        Grade::Unknown => "too few rows to be told apart",
    };
    let safe = match privacy(measured) {
        Grade::Good => "no sign of copied rows",
        Grade::Fair => "a little near to the rows learnt from",
        Grade::Poor => "too near to the rows learnt from: not to be shared",
        Grade::Unknown => "privacy unknown",
    };
    format!("{like}; {apart}; {safe}")
}

/// The line for the terminal.
pub(super) fn summary(measured: &Measured) -> String {
    format!("overall {:.3}: {}", measured.synthetic.overall(), sentence(measured))
}
