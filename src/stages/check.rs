//! The kind `check`: a table held against rules, and stopped when it breaks them.
//!
//! Parameters and ports only; what rules mean is up to `data::quality`.

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::quality::rule::defaults;
use crate::data::quality::{self, Finding, Rule, Severity};
use crate::diagnostic::count;
use crate::stage::{Artifact, Context, Failure, Layer, MetricName, Mistake, Need, Outcome, Port, Ref, Stage};

/// Holds a table against rules; the checked rows are the main output.
///
/// Without rules, a table of transactions must have rows, ids, timestamps and finite amounts, and
/// is expected to have neither copies of rows nor weeks without any.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Check {
    /// The table to check.
    pub input: Ref,
    /// What happens when a rule of severity `error` is broken.
    pub on_error: OnError,
    /// The rules; each may hold several checks: `{ column = "amount", min = 0.01, missing = 0.0 }`.
    pub rules: Vec<Rule>,
}

impl Default for Check {
    fn default() -> Self {
        Self { input: Ref::default(), on_error: OnError::Fail, rules: Vec::new() }
    }
}

/// What happens when a rule of severity `error` is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The stage fails, and whatever needs its rows doesn't run.
    Fail,
    /// It is a warning.
    Warn,
}

impl Stage for Check {
    const KIND: &'static str = "check";
    const VERSION: u32 = 1;
    const LAYER: Layer = Layer::Data;

    fn needs(&self) -> Vec<Need> {
        vec![Need::table("input", &self.input)]
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table("rows", "The rows that came in, unchanged."),
            Port::table(
                "findings",
                "One row a check: whether it passed, how many values it looked at, and how many failed.",
            ),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("rules", "How many rules there were."),
            ("failed", "Checks of severity `error` that failed."),
            ("warned", "Checks of severity `warn` that failed."),
            ("rows", "How many rows the table has."),
        ])
    }

    fn check(&self) -> Vec<Mistake> {
        let problems = self.rules.iter().enumerate().flat_map(|(at, rule)| rule.mistakes(at));
        problems
            .map(|problem| Mistake {
                key: problem.key.unwrap_or_else(|| "rules".to_owned()),
                message: problem.message,
                hint: problem.hint,
            })
            .collect()
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let table = ctx.table("input")?;
        let own = defaults(|column| table.has(column));
        let rules = if self.rules.is_empty() { &own } else { &self.rules };
        let mut progress = |fraction: f64| ctx.progress(fraction, "checking");
        let findings = quality::examine(&table, rules, &mut progress)?;
        let broken: Vec<&Finding> = findings.iter().filter(|finding| !finding.passed).collect();
        let (errors, warnings): (Vec<&Finding>, Vec<&Finding>) = broken
            .into_iter()
            .filter(|finding| finding.severity != Severity::Info)
            .partition(|finding| finding.severity == Severity::Error);
        if self.on_error == OnError::Fail
            && let Some((first, others)) = errors.split_first()
        {
            return Err(self.stop(first, others).into());
        }
        // Counts are far below 2^53.
        #[allow(clippy::cast_precision_loss)]
        let mut outcome = Outcome::new(summary(rules.len(), errors.len(), warnings.len()))
            .with("rows", Artifact::Same("input".to_owned()))
            .table("findings", quality::finding::table(&findings)?)
            .metric("rules", rules.len() as f64)
            .metric("failed", errors.len() as f64)
            .metric("warned", warnings.len() as f64)
            .metric("rows", table.rows() as f64);
        for finding in errors.into_iter().chain(warnings) {
            outcome = match self.key(finding) {
                Some(key) => outcome.warn_at(key, self.sentence(finding)),
                None => outcome.warn(self.sentence(finding)),
            };
        }
        Ok(outcome)
    }
}

impl Check {
    fn stop(&self, first: &Finding, others: &[&Finding]) -> Failure {
        let hint = match others {
            [] => "correct the data or the rule; `on_error = \"warn\"` goes on nevertheless".to_owned(),
            more => {
                let sentences: Vec<String> = more.iter().map(|finding| self.sentence(finding)).collect();
                let checks = count(more.len() as u64, "more check");
                format!(
                    "{checks} failed: {}; `on_error = \"warn\"` goes on nevertheless",
                    sentences.join("; ")
                )
            }
        };
        Failure { message: self.sentence(first), hint: Some(hint), key: self.key(first) }
    }

    /// Where the rule stands; custem's own rules stand nowhere.
    fn key(&self, finding: &Finding) -> Option<String> {
        (finding.rule < self.rules.len()).then(|| format!("rules.{}", finding.rule))
    }

    fn sentence(&self, finding: &Finding) -> String {
        if self.rules.is_empty() {
            finding.message.clone()
        } else {
            format!("rule {}: {}", finding.rule + 1, finding.message)
        }
    }
}

/// `12 rules, 2 warnings`
fn summary(rules: usize, failed: usize, warned: usize) -> String {
    let mut parts = vec![count(rules as u64, "rule")];
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if warned > 0 {
        parts.push(count(warned as u64, "warning"));
    }
    if parts.len() == 1 {
        parts.push("all kept".to_owned());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};

    use super::*;
    use crate::data::Table;
    use crate::stage::{Input, Kind, Progress};

    struct Silent;

    impl Progress for Silent {
        fn progress(&self, _: f64, _: &str) {}
        fn step(&self, _: &str, _: u64, _: f64) {}
    }

    fn table() -> Table {
        let columns: [(&str, ArrayRef); 2] = [
            ("customer_id", Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(3)]))),
            ("amount", Arc::new(Float64Array::from(vec![1.0, -2.0, 3.0, 3.0]))),
        ];
        Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())
    }

    fn stage(params: &str) -> Check {
        toml::from_str(params).unwrap()
    }

    fn run(params: &str) -> Result<Outcome> {
        let folder = tempfile::tempdir().unwrap();
        let ctx = Context {
            inputs: [("input".to_owned(), Input::Table(table()))].into(),
            sources: Vec::new(),
            seed: 0,
            scratch: folder.path(),
            progress: &Silent,
            cancelled: &AtomicBool::new(false),
        };
        Stage::run(&stage(params), &ctx)
    }

    fn failed(params: &str) -> (String, String, Option<String>) {
        let failure = run(params).map(|_| ()).unwrap_err().downcast::<Failure>().unwrap();
        (failure.message, failure.hint.unwrap(), failure.key)
    }

    fn warned(outcome: &Outcome) -> Vec<(Option<&str>, &str)> {
        outcome.warnings.iter().map(|warning| (warning.key.as_deref(), warning.message.as_str())).collect()
    }

    #[test]
    fn a_broken_rule_stops_the_run_and_names_itself() {
        let rules = "rules = [{ rows = { min = 1 } }, { column = \"amount\", min = 0 }]";
        assert_eq!(
            failed(rules),
            (
                "rule 2: 1 of 4 values of `amount` is below 0, such as `-2.0` (25 %): row 2".to_owned(),
                "correct the data or the rule; `on_error = \"warn\"` goes on nevertheless".to_owned(),
                Some("rules.1".to_owned())
            )
        );
        let rules = "rules = [{ column = \"customer_id\", missing = 0, unique = true }]";
        assert_eq!(
            failed(rules),
            (
                "rule 1: 1 of 4 values of `customer_id` is missing (25 %): row 2".to_owned(),
                "1 more check failed: rule 1: 1 of 3 values of `customer_id` is repeated (33 %): row 4; `on_error = \"warn\"` goes on nevertheless".to_owned(),
                Some("rules.0".to_owned())
            )
        );
        assert_eq!(
            failed("rules = [{ column = \"amout\", min = 0 }]"),
            (
                "rule 1: there is no column `amout`".to_owned(),
                "did you mean `amount`?".to_owned(),
                Some("rules.0.column".to_owned())
            )
        );
    }

    #[test]
    fn warnings_point_at_their_rules() {
        let outcome = run("on_error = \"warn\"\nrules = [
                { duplicates = 0, severity = \"warn\" },
                { column = \"amount\", max = 2, severity = \"info\" },
                { column = \"amount\", min = 0 },
            ]")
        .unwrap();
        assert_eq!(outcome.summary, "3 rules, 1 failed, 1 warning");
        assert_eq!(
            warned(&outcome),
            [
                (
                    Some("rules.2"),
                    "rule 3: 1 of 4 values of `amount` is below 0, such as `-2.0` (25 %): row 2"
                ),
                (Some("rules.0"), "rule 1: 1 of 4 rows is a copy of an earlier one (25 %): row 4"),
            ]
        );
        let metrics: Vec<_> = outcome.metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(metrics, [("failed", 1.0), ("rows", 4.0), ("rules", 3.0), ("warned", 1.0)]);
        assert!(
            matches!(&outcome.artifacts[0], (port, Artifact::Same(input)) if port == "rows" && input == "input")
        );
        assert!(
            matches!(&outcome.artifacts[1], (port, Artifact::Table(table)) if port == "findings" && table.rows() == 3)
        );
    }

    #[test]
    fn without_rules_transactions_are_checked() {
        let (message, hint, key) = failed("");
        assert_eq!(message, "1 of 4 values of `customer_id` is missing (25 %): row 2");
        assert_eq!(hint, "correct the data or the rule; `on_error = \"warn\"` goes on nevertheless");
        assert_eq!(key, None);
        let outcome = run("on_error = \"warn\"").unwrap();
        assert_eq!(outcome.summary, "4 rules, 1 failed, 1 warning");
        assert_eq!(
            warned(&outcome),
            [
                (None, "1 of 4 values of `customer_id` is missing (25 %): row 2"),
                (None, "1 of 4 rows is a copy of an earlier one (25 %): row 4"),
            ]
        );
        let outcome = run("rules = [{ rows = { min = 1 } }]").unwrap();
        assert_eq!(outcome.summary, "1 rule, all kept");
    }

    #[test]
    fn rules_are_read_strictly_and_come_back() {
        let error = toml::from_str::<Check>("rules = [{ colum = \"a\" }]").unwrap_err();
        assert!(error.message().starts_with("unknown field `colum`, expected one of `column`"));
        let written: toml::Table = toml::from_str(
            "input = \"t\"\non_error = \"fail\"\nrules = [{ column = \"a\", min = 2023-01-01 }]",
        )
        .unwrap();
        let built = (Kind::of::<Check>().build)(written).map_err(|error| error.to_string()).unwrap();
        let resolved = built.params().unwrap();
        let again = (Kind::of::<Check>().build)(resolved.clone()).map_err(|error| error.to_string()).unwrap();
        assert_eq!(again.params().unwrap(), resolved);
        let mistakes = Stage::check(&stage("rules = [{ column = \"a\" }]"));
        assert_eq!(
            (mistakes[0].key.as_str(), mistakes[0].message.as_str()),
            ("rules.0", "rule 1: no check is given")
        );
    }
}
