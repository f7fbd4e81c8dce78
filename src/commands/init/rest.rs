//! The stages behind the rows of a user's file, as text; those that the file doesn't allow are
//! comments with the reason in front.
//!
//! Knows which numbers were chosen, not from what.

use super::choices::{Choice, Choices};

/// The inputs of the report, with the part of the pipeline that each needs.
const INPUTS: [(&str, &str, Part); 14] = [
    ("quality", "quality.findings", Part::Always),
    ("features", "features", Part::Always),
    ("selection", "segments.selection", Part::Segments),
    ("segments", "segments", Part::Segments),
    ("profile", "profile", Part::Segments),
    ("differences", "profile.differences", Part::Segments),
    ("series", "weekly", Part::Always),
    ("forecast", "forecast", Part::Forecast),
    ("backtest", "forecast.backtest", Part::Forecast),
    ("scores", "forecast.scores", Part::Forecast),
    ("churn", "churn", Part::Churn),
    ("churn_models", "churn.models", Part::Churn),
    ("importance", "churn.importance", Part::Churn),
    ("reliability", "churn.reliability", Part::Churn),
];

/// What may be left out together.
#[derive(Clone, Copy)]
enum Part {
    Always,
    Segments,
    Forecast,
    Churn,
}

/// The stages behind `rows`; the report goes to that path.
pub fn rest(choices: &Choices, page: &str) -> String {
    let always = [
        "[stages.quality]",
        "kind = \"check\"",
        "input = \"rows\"",
        "on_error = \"warn\"       # \"fail\" stops what needs checked rows; without `rules`, sensible ones are used",
        "",
        "[stages.features]",
        "kind = \"features\"",
        "input = \"quality\"",
        "",
    ];
    let mut text = always.join("\n") + "\n";
    text += &segments(&choices.k);
    text += &weekly(choices.k.is_ok());
    text += &forecast(&choices.horizon);
    text += &churn(&choices.horizon_days);
    text + &report(choices, page)
}

fn segments(k: &Choice<usize>) -> String {
    let chosen = k.as_ref().copied().unwrap_or(3);
    let lines = [
        "[stages.segments]".to_owned(),
        "kind = \"segment\"".to_owned(),
        "input = \"features\"".to_owned(),
        format!("k = {chosen}"),
        format!("scan = {{ from = 2, to = {} }}", (2 * chosen).min(8)),
        String::new(),
        "[stages.profile]".to_owned(),
        "kind = \"profile\"".to_owned(),
        "features = \"features\"".to_owned(),
        "segments = \"segments\"".to_owned(),
    ];
    block(&lines, k.as_ref().err())
}

fn weekly(segmented: bool) -> String {
    let mut lines = vec!["[stages.weekly]", "kind = \"series\"", "input = \"quality\""];
    if segmented {
        lines.extend(["segments = \"segments\"", "profile = \"profile\""]);
    }
    lines.join("\n") + "\n\n"
}

fn forecast(horizon: &Choice<i64>) -> String {
    let lines = [
        "[stages.forecast]".to_owned(),
        "kind = \"forecast\"".to_owned(),
        "input = \"weekly\"".to_owned(),
        format!("horizon = {}", horizon.as_ref().copied().unwrap_or(2)),
    ];
    block(&lines, horizon.as_ref().err())
}

fn churn(horizon_days: &Choice<i64>) -> String {
    let lines = [
        "[stages.churn]".to_owned(),
        "kind = \"churn\"".to_owned(),
        "input = \"quality\"".to_owned(),
        format!("horizon_days = {}", horizon_days.as_ref().copied().unwrap_or(14)),
    ];
    block(&lines, horizon_days.as_ref().err())
}

fn report(choices: &Choices, page: &str) -> String {
    let mut text = "[stages.report]\nkind = \"report\"\n".to_owned();
    text += "# currency = \"€\"          # stands before every amount\n";
    let left_out = |part: Part| match part {
        Part::Always => false,
        Part::Segments => choices.k.is_err(),
        Part::Forecast => choices.horizon.is_err(),
        Part::Churn => choices.horizon_days.is_err(),
    };
    for (key, from, part) in INPUTS {
        let mark = if left_out(part) { "# " } else { "" };
        text += &format!("{mark}{key} = \"{from}\"\n");
    }
    text + &format!("save = {page}\n")
}

/// Lines of a stage; as a comment where there is a reason to leave it out.
fn block(lines: &[String], reason: Option<&String>) -> String {
    let Some(reason) = reason else { return lines.join("\n") + "\n\n" };
    let commented = lines.iter().map(|line| format!("# {line}").trim_end().to_owned());
    let commented: Vec<String> = commented.collect();
    format!("# Left out: {reason}.\n{}\n\n", commented.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_a_comment_with_its_reason() {
        let no = |why: &str| why.to_owned();
        let choices = Choices { k: Err(no("so few")), horizon: Err(no("so short")), horizon_days: Ok(30) };
        let text = rest(&choices, "\"data/x.html\"");
        let parsed: toml::Table = toml::from_str(&text).unwrap();
        let stages: Vec<_> = parsed["stages"].as_table().unwrap().keys().cloned().collect();
        assert_eq!(stages, ["churn", "features", "quality", "report", "weekly"]);
        let segments = "# Left out: so few.\n# [stages.segments]\n# kind = \"segment\"\n# input = \"features\"\n# k = 3\n# scan = { from = 2, to = 6 }\n#\n# [stages.profile]\n";
        assert!(text.contains(segments), "{text}");
        assert!(text.contains("# Left out: so short.\n# [stages.forecast]\n"), "{text}");
        assert!(
            text.contains("\n# forecast = \"forecast\"\n") && text.contains("\nchurn = \"churn\"\n"),
            "{text}"
        );
    }
}
