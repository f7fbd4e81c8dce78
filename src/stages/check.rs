//! The kind `check`: a table held against rules, and stopped when it breaks them.
//!
//! Parameters and ports only; what rules mean is up to `data::quality`.

use std::collections::BTreeMap;

use anyhow::Result;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::value::Datetime;

use crate::data::dates;
use crate::data::quality::demand::Retail;
use crate::data::quality::{self, Examined, Finding, Ground, Rule, Severity, infer};
use crate::diagnostic::{count, listing, plural};
use crate::present::report;
use crate::stage::{
    Artifact, Context, Failure, Layer, MetricName, Mistake, Need, Outcome, Port, PortType, Ref, Stage, Stream,
};

/// Holds a table against rules; the checked rows are the main output.
///
/// Without rules, a table of transactions must have rows with ids, timestamps and finite amounts in
/// `customer_id`, `txn_timestamp` and `amount`, and is expected to have neither copies of rows nor
/// weeks without any. All checks are made in one pass.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Check {
    /// The table to check.
    pub input: Ref,
    /// What happens when a rule of severity `error` is broken.
    pub on_error: OnError,
    /// The rules; each may hold several checks: `{ column = "amount", min = 0.01, missing = 0.0 }`.
    pub rules: Vec<Rule>,
    /// Other tables by name, for `references`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Ref>,
    /// The table of an earlier run or period, for `drift`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Ref>,
    /// The day that `freshness` is measured from. There is no "today": the same pipeline must give the same bytes tomorrow.
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Datetime>,
    /// The columns that `retail` rules look at.
    #[serde(skip_serializing_if = "is_usual")]
    pub retail: Retail,
    /// Proposes rules that the table satisfies as it is: `run -v` prints them as TOML, and so does
    /// `custem show STAGE.proposal`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub infer: bool,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            input: Ref::default(),
            on_error: OnError::Fail,
            rules: Vec::new(),
            inputs: BTreeMap::new(),
            earlier: None,
            as_of: None,
            retail: Retail::default(),
            infer: false,
        }
    }
}

fn is_usual(retail: &Retail) -> bool {
    *retail == Retail::default()
}

/// What happens when a rule of severity `error` is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The stage fails, and whatever needs its rows doesn't run.
    Fail,
    /// It is a warning.
    Warn,
    /// Rows that break such a rule go to the port `quarantined`, with the rule; what is wrong with the whole table (a
    /// column that isn't there, too few rows) fails the stage all the same.
    Quarantine,
}

impl Stage for Check {
    const KIND: &'static str = "check";
    const VERSION: u32 = 5;
    const LAYER: Layer = Layer::Data;

    fn needs(&self) -> Vec<Need> {
        let mut needs = vec![Need::table("input", &self.input)];
        needs.extend(self.inputs.iter().map(|(name, from)| Need::table(format!("inputs.{name}"), from)));
        needs.extend(self.earlier.as_ref().map(|from| Need::table("earlier", from)));
        needs
    }

    fn gives(&self) -> Vec<Port> {
        vec![
            Port::table(
                "rows",
                "The rows that came in, unchanged; without the bad ones where those are set apart.",
            ),
            Port::table(
                "findings",
                "One row a check: whether it passed, how many values it looked at, and how many failed.",
            ),
            Port::new("page", PortType::Page, "The findings for people, with small charts: one HTML file."),
            Port::table(
                "quarantined",
                "With `on_error = \"quarantine\"`, the bad rows, each with its number and the rules that it breaks.",
            ),
            Port::new("proposal", PortType::File, "With `infer`, rules that the table satisfies, as TOML."),
        ]
    }

    fn metrics(&self) -> Vec<MetricName> {
        MetricName::list([
            ("rules", "How many rules there were."),
            ("checks", "How many checks the rules came to."),
            ("failed", "Checks of severity `error` that failed."),
            ("warned", "Checks of severity `warn` that failed."),
            ("rows", "How many rows the table has."),
            ("quarantined", "How many of them were set apart, with `on_error = \"quarantine\"`."),
            ("proposed", "How many rules were proposed, with `infer`."),
        ])
    }

    fn check(&self) -> Vec<Mistake> {
        let problems = self.rules.iter().enumerate().flat_map(|(at, rule)| rule.mistakes(at));
        problems
            .chain(self.lacking())
            .map(|problem| Mistake {
                key: problem.key.unwrap_or_else(|| "rules".to_owned()),
                message: problem.message,
                hint: problem.hint,
            })
            .collect()
    }

    fn run(&self, ctx: &Context<'_>) -> Result<Outcome> {
        let table = ctx.table("input")?;
        let own = quality::defaults(table.schema());
        let rules = if self.rules.is_empty() { &own } else { &self.rules };
        let mut progress = |fraction: f64| ctx.progress(fraction, "checking");
        let sifts = self.on_error == OnError::Quarantine;
        let examined = quality::examine(&table, rules, &self.ground(ctx)?, sifts, &mut progress)?;
        let findings = &examined.findings;
        let broken = |severity| {
            let broken = findings.iter().filter(|finding| !finding.passed);
            broken.filter(|finding| finding.severity == severity).collect::<Vec<&Finding>>()
        };
        let (errors, warnings) = (broken(Severity::Error), broken(Severity::Warn));
        let fatal: Vec<&Finding> = match self.on_error {
            OnError::Fail => errors.clone(),
            OnError::Warn => Vec::new(),
            // What no row is to blame for can't be set apart with one.
            OnError::Quarantine => examined
                .checks
                .iter()
                .zip(findings)
                .filter(|(check, finding)| {
                    !finding.passed && finding.severity == Severity::Error && !check.is_of_rows()
                })
                .map(|(_, finding)| finding)
                .collect(),
        };
        if !fatal.is_empty() {
            return Err(self.stop(&fatal, &warnings).into());
        }
        let sifted = if sifts { Some(quality::sift::sift(&table, &examined, ctx.scratch())?) } else { None };
        let page =
            findings_page(&examined, table.rows() as u64, sifted.as_ref().map(|sifted| sifted.bad_rows))?;
        let noted = broken(Severity::Info).len();
        // Counts are far below 2^53.
        let mut summary = summary(findings.len(), errors.len(), warnings.len(), noted);
        let proposed = if self.infer { infer::infer(&table, &mut progress)? } else { Vec::new() };
        if self.infer {
            summary += &format!(", {} proposed", plural(proposed.len(), "rule"));
        }
        if let Some(sifted) = &sifted {
            summary += &format!(", {} set apart", count(sifted.bad_rows, "row"));
        }
        let rows = match &sifted {
            Some(sifted) => Artifact::File(sifted.good.clone()),
            None => Artifact::Same("input".to_owned()),
        };
        let mut outcome = Outcome::new(summary)
            .with("rows", rows)
            .table("findings", quality::finding::table(findings)?)
            .bytes("page", page.into_bytes())
            .metric("rules", rules.len() as f64)
            .metric("checks", findings.len() as f64)
            .metric("failed", errors.len() as f64)
            .metric("warned", warnings.len() as f64)
            .metric("rows", table.rows() as f64);
        outcome = match sifted {
            Some(sifted) => outcome
                .with("quarantined", Artifact::File(sifted.bad))
                .metric("quarantined", sifted.bad_rows as f64),
            None => outcome.table("quarantined", quality::sift::nothing(table.schema())),
        };
        outcome = if self.infer {
            let text = infer::written(&proposed, table.rows() as u64)?;
            ctx.output(Stream::Stdout, text.trim_end());
            outcome.bytes("proposal", text.into_bytes()).metric("proposed", proposed.len() as f64)
        } else {
            outcome.bytes("proposal", ASKED.as_bytes().to_vec())
        };
        for finding in errors.into_iter().chain(warnings) {
            outcome = match self.key(finding) {
                Some(key) => outcome.warn_at(key, self.sentence(finding)),
                None => outcome.warn(self.sentence(finding)),
            };
        }
        Ok(outcome)
    }
}

/// What stands on the port `proposal` where nobody asked for one.
const ASKED: &str = "# `infer = true` proposes rules here.\n";

/// Findings that a failure tells in full.
const NAMED: usize = 20;

fn findings_page(examined: &Examined, rows: u64, quarantined: Option<u64>) -> Result<String> {
    report::findings(&report::Checked { title: "Data quality", rows, examined, quarantined })
}

impl Check {
    /// What rules need of the stage's other parameters and don't find there.
    fn lacking(&self) -> Vec<Failure> {
        let mut lacking = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let label = quality::label(at);
            if rule.freshness.is_some() && self.as_of.is_none() {
                let message = format!("{label}: `freshness` needs a day to measure from");
                let hint =
                    "add `as_of = 2024-12-31` to the stage, or run with `--set STAGE.as_of=2024-12-31`";
                lacking.push(Failure::new(message).hint(hint).at(format!("rules.{at}.freshness")));
            }
            if rule.drift.is_some() && self.earlier.is_none() {
                let message = format!("{label}: `drift` needs a table to compare with");
                let hint = "add `earlier = \"STAGE\"` to the stage";
                lacking.push(Failure::new(message).hint(hint).at(format!("rules.{at}.drift")));
            }
            if let Some(name) = rule.references.as_ref().map(|one| &one.input)
                && !self.inputs.contains_key(name)
            {
                let message = format!("{label}: there is no input `{name}`");
                let hint = format!("add `inputs = {{ {name} = \"STAGE\" }}` to the stage");
                lacking.push(Failure::new(message).hint(hint).at(format!("rules.{at}.references.input")));
            }
        }
        if self.as_of.is_some_and(|day| dates::day(&day).is_none()) {
            let hint = "write a day: `as_of = 2024-12-31`";
            lacking.push(Failure::new("`as_of` is no day").hint(hint).at("as_of"));
        }
        lacking
    }

    /// What the rules meet besides the table.
    fn ground(&self, ctx: &Context<'_>) -> Result<Ground> {
        let table = |name: &String| Ok((name.clone(), ctx.table(&format!("inputs.{name}"))?));
        Ok(Ground {
            others: self.inputs.keys().map(table).collect::<Result<_>>()?,
            earlier: self.earlier.as_ref().map(|_| ctx.table("earlier")).transpose()?,
            as_of: self.as_of.as_ref().and_then(dates::day).map(i64::from),
            retail: self.retail.clone(),
        })
    }

    /// The failure that errors come to: one finding a line, and those that would only have been warnings
    /// below, since no table of findings is kept.
    fn stop(&self, errors: &[&Finding], warnings: &[&Finding]) -> Failure {
        let message = match (errors, warnings) {
            ([one], []) => self.sentence(one),
            _ => {
                let mut lines = vec![format!("{} failed", plural(errors.len(), "check"))];
                lines.extend(self.told(errors));
                if !warnings.is_empty() {
                    lines.push(format!("and {}", plural(warnings.len(), "warning")));
                    lines.extend(self.told(warnings));
                }
                lines.join("\n")
            }
        };
        let key = errors.first().and_then(|finding| self.key(finding));
        Failure { message, hint: Some(self.advice(errors)), key }
    }

    /// Findings as lines; of very many, the rules that the others are of.
    fn told(&self, findings: &[&Finding]) -> Vec<String> {
        let (first, more) = findings.split_at(findings.len().min(NAMED));
        let mut lines: Vec<String> = first.iter().map(|one| format!("- {}", self.sentence(one))).collect();
        if !more.is_empty() {
            let mut rules: Vec<String> = more.iter().map(|one| quality::label(one.rule)).collect();
            rules.dedup();
            lines.push(format!("- and {} more, of {}", more.len(), listing(&rules, "and")));
        }
        lines
    }

    fn advice(&self, errors: &[&Finding]) -> String {
        let absent = errors.iter().any(|finding| finding.is_absent());
        let mend = if self.rules.is_empty() && absent {
            "rename columns with `columns` of the stage that reads them, or write `rules` of your own"
        } else {
            "correct the data or the rule"
        };
        format!("{mend}; `on_error = \"warn\"` goes on nevertheless, and keeps `findings`")
    }

    /// Where the rule stands; custem's own rules stand nowhere.
    fn key(&self, finding: &Finding) -> Option<String> {
        let rule = format!("rules.{}", finding.rule);
        let key = if finding.is_absent() { format!("{rule}.{}", finding.check) } else { rule };
        (finding.rule < self.rules.len()).then_some(key)
    }

    fn sentence(&self, finding: &Finding) -> String {
        if self.rules.is_empty() {
            finding.message.clone()
        } else {
            format!("{}: {}", quality::label(finding.rule), finding.message)
        }
    }
}

/// `12 checks, 2 warnings`
fn summary(checks: usize, failed: usize, warned: usize, noted: usize) -> String {
    let mut parts = vec![plural(checks, "check")];
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if warned > 0 {
        parts.push(plural(warned, "warning"));
    }
    if noted > 0 {
        parts.push(format!("{noted} noted"));
    }
    if parts.len() == 1 {
        parts.push("all passed".to_owned());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};

    use super::*;
    use crate::data::Table;
    use crate::stage::{Input, Kind, Progress, Stop};

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

    const ADVICE: &str =
        "correct the data or the rule; `on_error = \"warn\"` goes on nevertheless, and keeps `findings`";

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
            stop: Stop::never(),
            memos: None,
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
                "rule 2 (`rules.1`): 1 of 4 values of `amount` is below 0, such as `-2.0` (25 %): row 2"
                    .to_owned(),
                ADVICE.to_owned(),
                Some("rules.1".to_owned())
            )
        );
        let rules = "rules = [{ column = \"customer_id\", missing = 0, unique = true }]";
        assert_eq!(
            failed(rules),
            (
                "2 checks failed\n\
                 - rule 1 (`rules.0`): 1 of 4 values of `customer_id` is missing (25 %): row 2\n\
                 - rule 1 (`rules.0`): 1 of 3 values of `customer_id` is repeated (33 %): row 4"
                    .to_owned(),
                ADVICE.to_owned(),
                Some("rules.0".to_owned())
            )
        );
        assert_eq!(
            failed("rules = [{ column = \"amout\", min = 0 }]"),
            (
                "rule 1 (`rules.0`): there is no column `amout`; did you mean `amount`?".to_owned(),
                ADVICE.to_owned(),
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
        assert_eq!(outcome.summary, "3 checks, 1 failed, 1 warning, 1 noted");
        assert_eq!(
            warned(&outcome),
            [
                (
                    Some("rules.2"),
                    "rule 3 (`rules.2`): 1 of 4 values of `amount` is below 0, such as `-2.0` (25 %): row 2"
                ),
                (
                    Some("rules.0"),
                    "rule 1 (`rules.0`): 1 of 4 rows is a copy of an earlier one (25 %): row 4"
                ),
            ]
        );
        let metrics: Vec<_> = outcome.metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(
            metrics,
            [("checks", 3.0), ("failed", 1.0), ("rows", 4.0), ("rules", 3.0), ("warned", 1.0)]
        );
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
        let missing = "1 of 4 values of `customer_id` is missing (25 %): row 2";
        let absent = "there is no column `txn_timestamp`; there are `customer_id` and `amount`";
        let copy = "1 of 4 rows is a copy of an earlier one (25 %): row 4";
        assert_eq!(message, format!("2 checks failed\n- {missing}\n- {absent}\nand 1 warning\n- {copy}"));
        assert_eq!(
            hint,
            "rename columns with `columns` of the stage that reads them, or write `rules` of your own; \
             `on_error = \"warn\"` goes on nevertheless, and keeps `findings`"
        );
        assert_eq!(key, None);
        let outcome = run("on_error = \"warn\"").unwrap();
        assert_eq!(outcome.summary, "6 checks, 2 failed, 1 warning");
        assert_eq!(warned(&outcome), [(None, missing), (None, absent), (None, copy)]);
        let outcome = run("rules = [{ rows = { min = 1 } }]").unwrap();
        assert_eq!(outcome.summary, "1 check, all passed");
    }

    #[test]
    fn a_column_that_is_not_there_keeps_nobody_from_trying_the_other_rules() {
        let outcome = run("on_error = \"warn\"\nrules = [
                { column = \"amout\", min = 0, max = 9, severity = \"warn\" },
                { duplicates = 0, columns = [\"customer_id\", \"basket\"] },
                { column = \"amount\", min = 0 },
            ]")
        .unwrap();
        assert_eq!(outcome.summary, "3 checks, 2 failed, 1 warning");
        assert_eq!(
            warned(&outcome),
            [
                (
                    Some("rules.1.columns"),
                    "rule 2 (`rules.1`): there is no column `basket`; there are `customer_id` and `amount`"
                ),
                (
                    Some("rules.2"),
                    "rule 3 (`rules.2`): 1 of 4 values of `amount` is below 0, such as `-2.0` (25 %): row 2"
                ),
                (
                    Some("rules.0.column"),
                    "rule 1 (`rules.0`): there is no column `amout`; did you mean `amount`?"
                ),
            ]
        );
    }

    #[test]
    fn a_failure_names_the_first_of_very_many() {
        let rules = vec!["{ column = \"amount\", min = 9 }"; 23].join(", ");
        let (message, _, _) = failed(&format!("rules = [{rules}]"));
        let lines: Vec<&str> = message.lines().collect();
        let more = "- and 3 more, of rule 21 (`rules.20`), rule 22 (`rules.21`) and rule 23 (`rules.22`)";
        assert_eq!((lines.len(), lines[0], lines[21]), (22, "23 checks failed", more));
    }

    /// No findings are kept of a check that fails, so its message has every broken rule.
    #[test]
    fn a_failure_names_what_would_have_been_a_warning() {
        let (message, _, key) = failed(
            "rules = [
                { duplicates = 0, severity = \"warn\" },
                { column = \"amount\", max = 2, severity = \"info\" },
                { column = \"amount\", min = 0 },
            ]",
        );
        assert_eq!(
            message,
            "1 check failed\n\
             - rule 3 (`rules.2`): 1 of 4 values of `amount` is below 0, such as `-2.0` (25 %): row 2\n\
             and 1 warning\n\
             - rule 1 (`rules.0`): 1 of 4 rows is a copy of an earlier one (25 %): row 4"
        );
        assert_eq!(key.as_deref(), Some("rules.2"));
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
            ("rules.0", "rule 1 (`rules.0`): no check is given")
        );
    }
}
