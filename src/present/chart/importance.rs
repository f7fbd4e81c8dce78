//! Importance: which features a model leans on, largest first.

use super::{Bars, Chart, Drawing, Measure, text};
use crate::present::format::{Unit, percent, words};

/// Features beyond this number are left out, the least important first.
const MOST: usize = 10;

/// Features with their importance.
#[derive(Clone, Debug)]
pub struct Importance {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// Names and importances in any order.
    pub features: Vec<(String, f64)>,
}

impl Importance {
    /// Features by falling importance; those without a number are left out.
    pub fn ranked(&self) -> Vec<(&str, f64)> {
        let finite = self.features.iter().filter(|(_, value)| value.is_finite());
        let mut ranked: Vec<_> = finite.map(|(name, value)| (name.as_str(), *value)).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        ranked
    }

    /// The share of the whole importance that the most important feature has.
    pub fn top_share(&self) -> Option<f64> {
        let ranked = self.ranked();
        let total: f64 = ranked.iter().map(|(_, value)| value.max(0.0)).sum();
        ranked.first().filter(|_| total > 0.0).map(|(_, top)| top / total)
    }

    fn bars(&self) -> Bars {
        let ranked = self.ranked();
        let top: Vec<_> = ranked.iter().take(MOST).collect();
        let total: f64 = ranked.iter().map(|(_, value)| value.max(0.0)).sum();
        let part = |value: f64| if total > 0.0 { value / total } else { 0.0 };
        Bars {
            title: Some(self.title.clone().unwrap_or_else(|| self.finding())),
            names: top.iter().map(|(name, _)| words(name)).collect(),
            measures: vec![Measure {
                name: "importance".to_owned(),
                unit: Unit::Percent,
                values: top.iter().map(|(_, value)| part(*value)).collect(),
            }],
            additive: false,
            focus: None,
            intervals: Vec::new(),
        }
    }
}

impl Chart for Importance {
    fn finding(&self) -> String {
        match (self.ranked().first(), self.top_share()) {
            (Some((name, _)), Some(share)) => {
                let name = text::brief(&words(name));
                format!("The model rests most on {name}: {} of all importance", percent(share))
            }
            _ => "No feature matters".to_owned(),
        }
    }

    fn draw(&self, width: f64) -> Drawing {
        self.bars().draw(width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::NARROW;
    use crate::present::chart::drawing::legible;

    #[test]
    fn features_are_ranked_and_cut() {
        let features =
            (0..40).map(|at| (format!("feature_{at}"), f64::from(at))).chain([("odd".to_owned(), f64::NAN)]);
        let chart = Importance { title: None, features: features.collect() };
        assert_eq!(chart.finding(), "The model rests most on feature 39: 5.0% of all importance");
        assert_eq!(chart.bars().names.len(), MOST);
        legible::check(&chart.draw(NARROW));
    }

    #[test]
    fn no_importance_is_said() {
        let chart = Importance { title: None, features: vec![("a".to_owned(), 0.0)] };
        assert_eq!(chart.finding(), "No feature matters");
        legible::check(&Importance { title: None, features: vec![] }.draw(NARROW));
    }
}
