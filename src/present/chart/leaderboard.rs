//! Leaderboard: the variants of a sweep by what they were to be best at.

use super::{Bars, Chart, Drawing, Measure, text};
use crate::present::format::{Unit, counted, short};

/// Variants beyond this number are left out.
const MOST: usize = 25;

/// Variants with their result, best first.
#[derive(Clone, Debug)]
pub struct Leaderboard {
    /// The title; the finding where there is none.
    pub title: Option<String>,
    /// What was to be best: `segments.silhouette`.
    pub objective: String,
    /// Names and results, best first; a variant that failed has no finite result.
    pub variants: Vec<(String, f64)>,
}

impl Leaderboard {
    fn bars(&self) -> Bars {
        let top: Vec<_> = self.variants.iter().take(MOST).collect();
        Bars {
            title: Some(self.title.clone().unwrap_or_else(|| self.finding())),
            names: top.iter().map(|(name, _)| name.clone()).collect(),
            measures: vec![Measure {
                name: self.objective.clone(),
                unit: Unit::Number,
                values: top.iter().map(|(_, value)| *value).collect(),
            }],
            additive: false,
            focus: Some(0),
        }
    }
}

impl Chart for Leaderboard {
    fn finding(&self) -> String {
        let mut results = self.variants.iter().filter(|(_, value)| value.is_finite());
        let Some((name, best)) = results.next() else { return "No variant has a result".to_owned() };
        let name = text::brief(name);
        let of = counted(self.variants.len(), "variant", "variants");
        let next =
            results.next().map_or_else(String::new, |(_, value)| format!(", the next one {}", short(*value)));
        format!("{name} is the best of {of}: {}{next}", short(*best))
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

    fn board(results: &[(&str, f64)]) -> Leaderboard {
        let variants = results.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Leaderboard { title: None, objective: "segments.silhouette".to_owned(), variants }
    }

    #[test]
    fn the_finding_names_the_best_and_its_lead() {
        let finding = board(&[("k=4", 0.3), ("k=3", 0.275), ("k=9", f64::NAN)]).finding();
        assert_eq!(finding, "k=4 is the best of 3 variants: 0.300, the next one 0.275");
        assert_eq!(board(&[("k=4", f64::NAN)]).finding(), "No variant has a result");
    }

    #[test]
    fn many_variants_with_long_names_fit() {
        let names: Vec<_> = (0..500)
            .map(|at| format!("segments.k={at}, segments.algorithm=gmm, features.cutoff=2025"))
            .collect();
        let results: Vec<_> = names.iter().map(|name| (name.as_str(), 0.3)).collect();
        legible::check(&board(&results).draw(NARROW));
        legible::check(&board(&[]).draw(NARROW));
    }
}
