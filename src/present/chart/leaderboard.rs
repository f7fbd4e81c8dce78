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
    /// The intervals of their results, where each is a mean over several seeds.
    pub intervals: Vec<(f64, f64)>,
}

/// Metrics of clusters that are measured in the space of their features.
const SPATIAL: [&str; 4] = ["silhouette", "davies_bouldin", "calinski_harabasz", "inertia"];

/// Parameters of a stage that make another space of the same table.
const SPACE: [&str; 3] = ["features", "scale", "input"];

/// The axes along which results of an objective are measured in other spaces, so that they say nothing of each other:
/// scalings, choices of features, and whatever changes a stage before.
pub fn incomparable<'a>(objective: &str, axes: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let Some((stage, metric)) = objective.split_once('.') else { return Vec::new() };
    if !SPATIAL.contains(&metric) {
        return Vec::new();
    }
    let other = |axis: &&str| {
        let path = axis.strip_prefix("stages.").unwrap_or(axis);
        let Some((of, parameter)) = path.split_once('.') else { return false };
        let parameter = parameter.split('.').next().unwrap_or_default();
        // Another seed draws other rows of the same kind.
        parameter != "seed" && of != "pipeline" && (of != stage || SPACE.contains(&parameter))
    };
    axes.into_iter().filter(other).collect()
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
            intervals: self.intervals.clone(),
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
        Leaderboard {
            title: None,
            objective: "segments.silhouette".to_owned(),
            variants,
            intervals: Vec::new(),
        }
    }

    #[test]
    fn the_finding_names_the_best_and_its_lead() {
        let finding = board(&[("k=4", 0.3), ("k=3", 0.275), ("k=9", f64::NAN)]).finding();
        assert_eq!(finding, "k=4 is the best of 3 variants: 0.300, the next one 0.275");
        assert_eq!(board(&[("k=4", f64::NAN)]).finding(), "No variant has a result");
    }

    #[test]
    fn other_spaces_are_other_scalings_features_and_stages_before() {
        let axes = [
            "s.k",
            "s.scale",
            "s.features",
            "stages.s.scale",
            "f.cutoff",
            "rows.seed",
            "pipeline.seed",
            "rank",
        ];
        assert_eq!(
            incomparable("s.silhouette", axes),
            ["s.scale", "s.features", "stages.s.scale", "f.cutoff"]
        );
        assert_eq!(incomparable("churn.auc", axes), [""; 0]);
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
