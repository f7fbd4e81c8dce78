//! How good forecasts have been: scores by model, against repeating last year, by weeks ahead.

use anyhow::Result;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use maud::{Markup, html};

use super::parts::{Column, Grid, capital, care, name, plain};
use super::target::Target;
use crate::data::Table;
use crate::data::columns::float_vec;
use crate::present::chart::{Across, Lines, Series, read};
use crate::present::format::{Unit, counted, fixed, percent, sentence};

/// An error of the sum beyond this share of it is spoken of.
const BIASED: f64 = 0.03;

/// What the simplest forecast repeats: the year before, or the last week where there is no such year,
/// which may be so in some tests on the past only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The same weeks of the year before.
    Year,
    /// The last week.
    Week,
    /// The year before, and the last week in tests that have no year behind them.
    Either,
}

/// The models whose forecast is shown, and what the simplest one repeats.
#[derive(Clone, Debug)]
pub struct Used {
    /// Their names; any model where there are none.
    pub models: Vec<String>,
    /// What the simplest forecast repeats.
    pub base: Base,
    /// What is forecast, in words.
    pub target: String,
}

impl Base {
    /// As the object of a sentence.
    fn repeating(self) -> &'static str {
        match self {
            Self::Year => "repeating the year before",
            Self::Week => "repeating the last week",
            Self::Either => "repeating the year before, or the last week where a test had no year behind it",
        }
    }

    /// A model's name as people say it.
    fn said(self, model: &str) -> String {
        match self {
            Self::Week if is_seasonal_naive(model) => "last week repeated".to_owned(),
            Self::Either if is_seasonal_naive(model) => "last year or week repeated".to_owned(),
            _ => said(model),
        }
    }
}

impl Used {
    /// Whether a model is one of them.
    fn has(&self, model: &str) -> bool {
        self.models.iter().any(|used| used == model)
    }

    /// The same where any model counts when none is known.
    fn counts(&self, model: &str) -> bool {
        self.models.is_empty() || self.has(model)
    }

    /// Whether the forecast is the year before once more.
    pub fn repeats(&self) -> bool {
        !self.models.is_empty() && self.models.iter().all(|model| is_seasonal_naive(model))
    }
}

/// A model's errors over all folds.
#[derive(Clone, Debug)]
pub struct Score {
    /// The model.
    pub model: String,
    /// Root mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Mean absolute scaled error.
    pub mase: f64,
    /// Absolute error as a share of the whole.
    pub wape: f64,
    /// Number of folds.
    pub folds: f64,
}

/// A model's sums at a number of weeks ahead.
#[derive(Clone, Debug)]
pub struct Tested {
    model: String,
    horizon: f64,
    actual: f64,
    predicted: f64,
    missed: f64,
}

/// The pooled scores, best first; the mean over series where none are pooled.
///
/// # Errors
/// When a column doesn't exist or isn't a number.
pub fn scores(table: &Table) -> Result<Vec<Score>> {
    let batch = read::gather(table, &["model", "series", "rmse", "mae", "mase", "wape", "folds"])?;
    let columns = ["rmse", "mae", "mase", "wape", "folds"].map(|column| float_vec(&batch, column));
    let columns = columns.into_iter().collect::<Result<Vec<_>>>()?;
    let at =
        |column: usize, row: usize| columns.get(column).and_then(|c| c.get(row)).copied().unwrap_or(f64::NAN);
    let score = |row, model| Score {
        model,
        rmse: at(0, row),
        mae: at(1, row),
        mase: at(2, row),
        wape: at(3, row),
        folds: at(4, row),
    };
    let rows = read::labels(&batch, "model")?.into_iter().zip(read::labels(&batch, "series")?).enumerate();
    let rows: Vec<_> = rows.map(|(row, (model, series))| (series == "all", score(row, model))).collect();
    let pooled = rows.iter().any(|(all, _)| *all);
    let kept = rows.into_iter().filter(|(all, _)| *all == pooled).map(|(_, score)| score);
    let mut scores = averaged(kept);
    scores.sort_by(|a, b| a.wape.total_cmp(&b.wape));
    Ok(scores)
}

/// One score a model, the mean of all that it has.
fn averaged(scores: impl Iterator<Item = Score>) -> Vec<Score> {
    let mut sums: Vec<(Score, f64)> = Vec::new();
    for score in scores {
        match sums.iter_mut().find(|(sum, _)| sum.model == score.model) {
            Some((sum, number)) => {
                *number += 1.0;
                sum.rmse += score.rmse;
                sum.mae += score.mae;
                sum.mase += score.mase;
                sum.wape += score.wape;
            }
            None => sums.push((score, 1.0)),
        }
    }
    let mean = |(sum, n): (Score, f64)| Score {
        rmse: sum.rmse / n,
        mae: sum.mae / n,
        mase: sum.mase / n,
        wape: sum.wape / n,
        ..sum
    };
    sums.into_iter().map(mean).collect()
}

/// Whether a model repeats the year before.
fn is_seasonal_naive(model: &str) -> bool {
    let plain: String = model.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    plain == "snaive" || (plain.contains("seasonal") && plain.contains("naive"))
}

/// A model's name as people say it.
pub fn said(model: &str) -> String {
    match model {
        model if is_seasonal_naive(model) => "last year repeated".to_owned(),
        "ridge" => "ridge regression".to_owned(),
        "logistic" => "logistic regression".to_owned(),
        "boosted" => "boosted trees".to_owned(),
        other => other.replace('_', " "),
    }
}

/// The best of the models in use, and the one that repeats the year before.
fn compared<'a>(scores: &'a [Score], used: &Used) -> (Option<&'a Score>, Option<&'a Score>) {
    let own = scores.iter().find(|score| used.counts(&score.model));
    (own.filter(|score| score.wape.is_finite()), scores.iter().find(|score| is_seasonal_naive(&score.model)))
}

/// Whether the forecast beats the simplest one, in a paragraph.
pub fn verdict(scores: &[Score], used: &Used) -> Markup {
    let repeating = used.base.repeating();
    let (Some(own), naive) = compared(scores, used) else { return html! {} };
    let erred = html! { "on weeks that it had not seen, " (name(&used.base.said(&own.model))) " erred by " (percent(own.wape)) " of " (used.target) };
    match naive {
        Some(naive) if naive.model == own.model => care(&html! {
            "on unseen weeks no model did better than " (repeating) " (" (percent(own.wape)) " error), so the forecast does just that"
        }),
        Some(naive) if own.wape < naive.wape => html! {
            p { (capital(&erred)) ", " (percent(1.0 - own.wape / naive.wape)) " less than " (repeating) " (" (percent(naive.wape)) ")." }
        },
        Some(naive) => care(&html! {
            (erred) ", no better than " (repeating) " (" (percent(naive.wape)) "): use that as the plan instead"
        }),
        None => {
            html! { p { (capital(&erred)) ". There is no score of " (repeating) " to compare it with." } }
        }
    }
}

/// The verdict for the summary, where it is a bad one.
pub fn warning(scores: &[Score], used: &Used) -> Option<Markup> {
    let (own, naive) = compared(scores, used);
    let beaten = own.zip(naive).is_some_and(|(own, naive)| own.wape >= naive.wape);
    beaten.then(|| html! { "No forecast model beats " (used.base.repeating()) "." })
}

/// The scores as a table, models in use marked.
pub fn grid(scores: &[Score], used: &Used, target: &Target) -> Grid {
    let row = |score: &Score| {
        vec![
            name(&used.base.said(&score.model)),
            plain(percent(score.wape)),
            plain(fixed(score.mase, 2)),
            plain(target.short(score.mae)),
            plain(target.short(score.rmse)),
            plain(Unit::Number.long(score.folds)),
        ]
    };
    Grid {
        caption: "Errors on unseen weeks, best model first; the one in use is marked".to_owned(),
        columns: vec![
            Column::Text("Model"),
            Column::Number(target.share_heading()),
            Column::Number("Scaled (MASE)"),
            Column::Number("A week (MAE)"),
            Column::Number("RMSE"),
            Column::Number("Tests"),
        ],
        rows: scores.iter().map(row).collect(),
        marked: scores.iter().enumerate().filter(|(_, s)| used.has(&s.model)).map(|(at, _)| at).collect(),
    }
}

/// Sums of a backtest by model and weeks ahead: of the series `all` where there is one, as in the
/// pooled scores, else of all series.
///
/// # Errors
/// When a column doesn't exist or isn't a number.
pub fn backtest(table: &Table) -> Result<Vec<Tested>> {
    let mut sums: Vec<Tested> = Vec::new();
    let series = read::labels(&read::gather(table, &["series"])?, "series")?;
    let whole = series.iter().any(|series| series == "all");
    for batch in table.select(&["series", "model", "horizon", "actual", "predicted"])? {
        let batch = batch?;
        let batch = if whole { only_all(&batch)? } else { batch };
        let (models, horizons) = (read::labels(&batch, "model")?, float_vec(&batch, "horizon")?);
        let values = float_vec(&batch, "actual")?.into_iter().zip(float_vec(&batch, "predicted")?);
        for ((model, horizon), (actual, predicted)) in models.into_iter().zip(horizons).zip(values) {
            if !(actual.is_finite() && predicted.is_finite() && horizon.is_finite()) {
                continue;
            }
            let missed = (actual - predicted).abs();
            match sums.iter_mut().find(|sum| sum.model == model && sum.horizon == horizon) {
                Some(sum) => {
                    sum.actual += actual;
                    sum.predicted += predicted;
                    sum.missed += missed;
                }
                None => sums.push(Tested { model, horizon, actual, predicted, missed }),
            }
        }
    }
    sums.sort_by(|a, b| a.horizon.total_cmp(&b.horizon));
    Ok(sums)
}

/// The rows of the series `all`.
fn only_all(batch: &RecordBatch) -> Result<RecordBatch> {
    let series = read::labels(batch, "series")?;
    let kept: BooleanArray = series.iter().map(|series| Some(series == "all")).collect();
    Ok(filter_record_batch(batch, &kept)?)
}

/// The error as a share of revenue over weeks ahead, a line a model.
pub fn by_horizon(backtest: &[Tested], used: &Used) -> Lines {
    let mut series: Vec<Series> = Vec::new();
    for tested in backtest.iter().filter(|tested| tested.actual > 0.0) {
        let point = (tested.horizon, tested.missed / tested.actual);
        let name = used.base.said(&tested.model);
        match series.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => series.push(Series { name, points: vec![point] }),
        }
    }
    series.retain(|line| line.points.len() > 1);
    Lines {
        title: Some(title(&series, used)),
        measure: format!("error as a share of {}", used.target),
        unit: Unit::Percent,
        across: Across::Numbers("weeks ahead".to_owned()),
        series,
        order: Vec::new(),
    }
}

/// The error of the model in use at both ends.
fn title(series: &[Series], used: &Used) -> String {
    let used: Vec<_> = used.models.iter().map(|model| used.base.said(model)).collect();
    let own = series.iter().find(|line| used.contains(&line.name)).or_else(|| series.first());
    let ends = own.and_then(|own| Some((&own.name, own.points.first()?, own.points.last()?)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "weeks ahead are few")]
    let ahead = |weeks: f64| counted(weeks as usize, "week", "weeks");
    ends.map_or_else(String::new, |(model, near, far)| {
        let (near, far) = ((percent(near.1), ahead(near.0)), (percent(far.1), ahead(far.0)));
        sentence(&format!("{model}: off by {} {} ahead, by {} {} ahead", near.0, near.1, far.0, far.1))
    })
}

/// Whether the models in use predict too much or too little on the whole.
pub fn bias(backtest: &[Tested], used: &Used) -> Markup {
    let own = || backtest.iter().filter(|tested| used.counts(&tested.model));
    let (actual, predicted) = (own().map(|t| t.actual).sum::<f64>(), own().map(|t| t.predicted).sum::<f64>());
    if actual <= 0.0 {
        return html! {};
    }
    let bias = predicted / actual - 1.0;
    let (side, other) = if bias > 0.0 { ("too much", "less") } else { ("too little", "more") };
    html! {
        @if bias.abs() > BIASED { (care(&html! { "added up over these tests it predicted " (percent(bias.abs())) " " (side) "; the next weeks may well bring " (other) })) }
        @else { p { "Added up over these tests it predicted " (percent(bias.abs())) " " (side) "." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::report::example::{floats, ints, table, texts};

    fn score(model: &str, wape: f64) -> Score {
        Score { model: model.to_owned(), rmse: 1.0, mae: 1.0, mase: 1.0, wape, folds: 6.0 }
    }

    fn used(models: &[&str]) -> Used {
        let models = models.iter().map(|model| (*model).to_owned()).collect();
        Used { models, base: Base::Year, target: "revenue".to_owned() }
    }

    fn revenue() -> Target {
        Target::named("revenue", &Unit::Number)
    }

    fn judged(scores: &[Score], model: &str) -> String {
        verdict(scores, &used(&[model])).into_string().replace("<bdi>", "").replace("</bdi>", "")
    }

    #[test]
    fn a_forecast_is_compared_with_the_year_before() {
        let scores = [score("theta", 0.1), score("seasonal_naive", 0.2), score("ets", 0.3)];
        assert!(
            judged(&scores, "theta").contains("On weeks that it had not seen, theta erred by 10% of revenue")
        );
        assert!(judged(&scores, "theta").contains("50% less than repeating"));
        assert!(judged(&scores, "ets").contains("Caution"));
        assert!(judged(&scores, "seasonal_naive").contains("no model did better"));
        assert!(warning(&scores, &used(&["ets"])).is_some());
        assert!(warning(&scores, &used(&["theta"])).is_none());
        assert!(judged(&scores[..1], "theta").contains("no score of repeating"));
        assert_eq!(judged(&[], "theta"), "");
    }

    #[test]
    fn errors_are_shares_of_the_target() {
        let scores = [score("theta", 0.1)];
        let used = Used { target: "orders".to_owned(), ..used(&["theta"]) };
        assert!(verdict(&scores, &used).into_string().contains("erred by 10% of orders"));
        let target = Target::named("orders", &Unit::Money("€".to_owned()));
        let grid = grid(&scores, &used, &target);
        assert_eq!((grid.columns[1], grid.rows[0][3].0.as_str()), (Column::Number("Of orders (WAPE)"), "1"));
        assert_eq!(by_horizon(&[], &used).measure, "error as a share of orders");
    }

    #[test]
    fn seasonal_naive_has_many_spellings() {
        for model in ["seasonal_naive", "SeasonalNaive", "snaive", "seasonal naive (52)"] {
            assert!(is_seasonal_naive(model) && used(&[model]).repeats(), "{model}");
        }
        assert!(!is_seasonal_naive("naive") && !used(&["ridge"]).repeats() && !used(&[]).repeats());
    }

    /// In a history of less than a year there is no year to repeat.
    #[test]
    fn a_short_history_repeats_its_last_week() {
        let scores = [score("seasonal_naive", 0.2), score("ridge", 0.3)];
        let short = Used { base: Base::Week, ..used(&["seasonal_naive"]) };
        let text = verdict(&scores, &short).into_string();
        assert!(text.contains("no model did better than repeating the last week (20% error)"), "{text}");
        assert_eq!(grid(&scores, &short, &revenue()).rows[0][0].0, "<bdi>last week repeated</bdi>");
        let warned = warning(&scores, &Used { models: vec!["ridge".to_owned()], ..short }).unwrap();
        assert_eq!(warned.into_string(), "No forecast model beats repeating the last week.");
    }

    #[test]
    fn tests_without_a_year_behind_them_are_told() {
        let scores = [score("ridge", 0.2), score("seasonal_naive", 0.4)];
        let mixed = Used { base: Base::Either, ..used(&["ridge"]) };
        let text = verdict(&scores, &mixed).into_string();
        let simplest = "50% less than repeating the year before, or the last week where a test had no year behind it (40%)";
        assert!(text.contains(simplest), "{text}");
        let grid = grid(&scores, &mixed, &revenue());
        assert_eq!(grid.rows[1][0].0, "<bdi>last year or week repeated</bdi>");
    }

    #[test]
    fn pooled_scores_win_over_those_of_single_series() {
        let scores = |series: [&str; 3]| {
            let columns = ["rmse", "mae", "mase", "wape"].map(|column| (column, floats([0.4, 0.2, 0.6])));
            let names = vec![("model", texts(["a", "b", "a"])), ("series", texts(series))];
            let folds = vec![("folds", ints([6; 3]))];
            super::scores(&table(names.into_iter().chain(columns).chain(folds).collect())).unwrap()
        };
        let wapes = |scores: Vec<Score>| {
            scores.into_iter().map(|score| (score.model, score.wape)).collect::<Vec<_>>()
        };
        assert_eq!(wapes(scores(["all", "all", "x"])), [("b".to_owned(), 0.2), ("a".to_owned(), 0.4)]);
        assert_eq!(wapes(scores(["x", "x", "y"])), [("b".to_owned(), 0.2), ("a".to_owned(), 0.5)]);
    }

    #[test]
    fn the_backtest_is_summed_by_model_and_weeks_ahead() {
        let tested = backtest(&table(vec![
            ("series", texts(["x", "y", "x"])),
            ("model", texts(["a", "a", "a"])),
            ("horizon", ints([2, 1, 2])),
            ("actual", floats([10.0, 10.0, f64::NAN])),
            ("predicted", floats([12.0, 9.0, 5.0])),
        ]));
        let tested = tested.unwrap();
        let chart = by_horizon(&tested, &used(&[]));
        assert_eq!(chart.series[0].points, [(1.0, 0.1), (2.0, 0.2)]);
        assert_eq!(chart.title.unwrap(), "A: off by 10% 1 week ahead, by 20% 2 weeks ahead");
        assert!(bias(&tested, &used(&["a"])).into_string().contains("5.0% too much"));
        assert_eq!(bias(&[], &used(&[])).into_string(), "");
    }

    #[test]
    fn the_whole_alone_is_tested_where_there_is_one() {
        let tested = backtest(&table(vec![
            ("series", texts(["x", "all"])),
            ("model", texts(["seasonal_naive"; 2])),
            ("horizon", ints([1; 2])),
            ("actual", floats([10.0; 2])),
            ("predicted", floats([0.0, 9.0])),
        ]));
        assert!(bias(&tested.unwrap(), &used(&[])).into_string().contains("predicted 10% too little"));
    }
}
