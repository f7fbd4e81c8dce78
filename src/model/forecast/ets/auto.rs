//! The form that explains a series best.

use super::fit::fit;
use super::{Error, Form, Model, Season, Trend};

/// The longest season that is fitted place by place: above it there would be more places than can be told from what
/// comes by chance.
pub const LONGEST_SEASON: usize = 24;

/// The forms that a series of such values can have: those with multiplicative parts only for values above 0, and
/// none that mix an additive error with a multiplicative season, which are unstable.
pub fn forms(season: usize, values: &[f64]) -> Vec<Form> {
    let positive = values.iter().all(|value| *value > 0.0);
    let seasonal = (2..=LONGEST_SEASON).contains(&season) && values.len() >= 2 * season;
    let mut forms = Vec::new();
    for error in [Error::Additive, Error::Multiplicative] {
        for trend in [Trend::None, Trend::Additive, Trend::Damped] {
            for season in [Season::None, Season::Additive, Season::Multiplicative] {
                let form = Form { error, trend, season };
                let unstable = error == Error::Additive && season == Season::Multiplicative;
                let allowed = positive || !form.is_for_positive_values();
                if allowed && !unstable && (seasonal || season == Season::None) {
                    forms.push(form);
                }
            }
        }
    }
    forms
}

/// Fits every form that suits and takes the one with the smallest corrected Akaike criterion; of equals, the first of [`forms`].
///
/// `values` has shape `(n,)`. `None` where no form can be fitted: fewer than four values. A season longer than
/// [`LONGEST_SEASON`] is left out, as R and statsforecast do.
///
/// Reference: Hyndman, Koehler, Snyder and Grose (2002), A state space framework for automatic forecasting.
pub fn auto(season: usize, values: &[f64]) -> Option<Model> {
    let fitted = forms(season, values).into_iter().filter_map(|form| fit(form, season, values));
    fitted.filter(|model| model.aicc().is_finite()).min_by(|one, two| one.aicc().total_cmp(&two.aicc()))
}
