//! The forecasts of single series, side by side: how good each has been, and which are guesses.
//!
//! Knows outlooks and errors, not how a forecast is introduced.

use anyhow::Result;
use hashbrown::HashMap;
use maud::{Markup, html};

use super::parts::{Column, Grid, care, listed, name, plain, signed};
use super::target::Target;
use super::{Inputs, Misfit, of};
use crate::data::columns::float_vec;
use crate::present::chart::fan::{Outlook, Panel};
use crate::present::chart::trend::QUARTER;
use crate::present::chart::{Fan, read};
use crate::present::format::{counted, percent, sentence};

/// The series of everybody.
pub const TOTAL: &str = "all";

/// Weeks below which there is no year before to repeat.
pub const YEAR: usize = 52;

/// A difference below this part is none.
const SAME: f64 = 0.0005;

/// From this error on, as a share of what came, a forecast is a guess.
const LOOSE: f64 = 0.3;

/// The forecast of a series with how good its like has been.
#[derive(Clone, Debug)]
pub struct Ahead {
    /// The series.
    pub name: String,
    /// Its forecast, as it is told.
    pub outlook: Outlook,
    /// The error of its model in its own back-test, as a share of what came; none where it isn't known.
    error: Option<f64>,
    /// Weeks from the first one in which anything came; none without a history.
    weeks: Option<usize>,
}

impl Ahead {
    /// Whether it has been so far off that a change that it shows is chance.
    pub fn is_guess(&self) -> bool {
        self.error.is_some_and(|error| error >= LOOSE)
    }

    /// Whether the year before, that it is set against, is older than the series.
    fn is_young(&self) -> bool {
        self.outlook.year_ago.is_some() && self.weeks.is_some_and(|weeks| weeks < YEAR)
    }
}

/// The errors of the best model of each series, by series.
///
/// # Errors
/// When a column doesn't exist or isn't a number.
pub fn errors(inputs: &Inputs) -> Result<HashMap<String, f64>, Misfit> {
    let (Some(forecast), Some(scores)) = (&inputs.forecast, &inputs.scores) else {
        return Ok(HashMap::new());
    };
    let batch = read::best(forecast, &["series", "model"]).map_err(of("forecast"))?;
    let pairs = |name| read::labels(&batch, name).map_err(of("forecast"));
    let best: HashMap<String, String> = pairs("series")?.into_iter().zip(pairs("model")?).collect();
    let batch = read::gather(scores, &["series", "model", "wape", "mae"]).map_err(of("scores"))?;
    let labels = |name| read::labels(&batch, name).map_err(of("scores"));
    let rows = labels("series")?.into_iter().zip(labels("model")?);
    let column = |name| float_vec(&batch, name).map_err(of("scores"));
    // Where nothing came at all there is no share of it, and whatever was forecast was all wrong.
    let error = |(wape, mae): (f64, f64)| if wape.is_nan() && mae > 0.0 { f64::INFINITY } else { wape };
    let rows = rows.zip(column("wape")?.into_iter().zip(column("mae")?).map(error));
    let known = rows.filter(|((series, model), error)| best.get(series) == Some(model) && !error.is_nan());
    Ok(known.map(|((series, _), error)| (series, error)).collect())
}

/// The series that have a forecast, with it.
pub fn all(fan: &Fan, errors: &HashMap<String, f64>, target: &Target) -> Vec<Ahead> {
    let ahead = |panel: &Panel| {
        let outlook = target.told(panel.outlook(QUARTER)?);
        let error = errors.get(&panel.name).copied();
        Some(Ahead { name: panel.name.clone(), outlook, error, weeks: active(panel) })
    };
    fan.panels.iter().filter_map(ahead).collect()
}

/// Weeks from the first one in which anything came.
fn active(panel: &Panel) -> Option<usize> {
    let first = panel.history.iter().position(|(_, value)| *value != 0.0)?;
    Some(panel.history.len() - first)
}

/// Whether the segments add up to the whole, which have no forecast, which are guesses, and which err to one side.
pub fn notes(series: &[Ahead], known: &[String], target: &Target) -> Markup {
    let names = |of: fn(&Outlook) -> bool| {
        let there = series.iter().filter(|ahead| of(&ahead.outlook));
        there.map(|ahead| ahead.name.clone()).collect::<Vec<_>>()
    };
    let (high, low) = (names(always_high), names(always_low));
    let without: Vec<_> =
        known.iter().filter(|name| series.iter().all(|ahead| ahead.name != **name)).cloned().collect();
    html! {
        @if let Some(guesses) = guesses(series) { (care(&guesses)) }
        @if let Some(young) = young(series) { (care(&young)) }
        @if let Some(sum) = sum(series, target) { p.under { (sum) } }
        @if !without.is_empty() { p.under { "Without a forecast, because too few of their weeks had any " (target.words()) ": " (listed(&without)) "." } }
        @if !high.is_empty() { p.under { "Nearly all forecasts made for the past of " (listed(&high)) " were too high, so this one is the upper end of its interval: expect less." } }
        @if !low.is_empty() { p.under { "Nearly all forecasts made for the past of " (listed(&low)) " were too low, so this one is the lower end of its interval: expect more." } }
    }
}

/// Which forecasts have been too far off to plan with.
fn guesses(series: &[Ahead]) -> Option<Markup> {
    let guesses: Vec<_> = series.iter().filter(|ahead| ahead.is_guess()).collect();
    let last = guesses.len().checked_sub(1)?;
    Some(html! {
        @if last == 0 { "the forecast of " } @else { "the forecasts of " }
        @for (at, ahead) in guesses.iter().enumerate() {
            @if at > 0 && at == last { " and " } @else if at > 0 { ", " }
            (name(&ahead.name)) " (" (off(ahead.error)) " off in the tests on the past)"
        }
        @if last == 0 { " is a guess, and no change is shown for it" }
        @else { " are guesses, and no change is shown for them" }
    })
}

/// Which series were not there yet in the year that others are set against.
fn young(series: &[Ahead]) -> Option<Markup> {
    let young: Vec<_> = series.iter().filter(|ahead| ahead.is_young() && !ahead.is_guess()).collect();
    let names: Vec<_> = young.iter().map(|ahead| ahead.name.clone()).collect();
    let (are, have) = if names.len() == 1 { ("is", "has") } else { ("are", "have") };
    (!names.is_empty()).then(|| {
        html! { (listed(&names)) " " (are) " younger than a year, and " (have) " no year before to be set against" }
    })
}

/// That a forecast has been too far off to plan with, in a sentence.
pub fn guess(ahead: &Ahead) -> Option<Markup> {
    ahead
        .is_guess()
        .then(|| html! { "It is a guess: in the tests on the past it was " (off(ahead.error)) " off." })
}

/// An error as a share, never in hundreds of times.
fn off(error: Option<f64>) -> String {
    match error {
        Some(error) if error > 1.0 => "more than 100%".to_owned(),
        Some(error) => percent(error),
        None => "–".to_owned(),
    }
}

/// What the forecasts by segment come to, beside that of the whole.
fn sum(series: &[Ahead], target: &Target) -> Option<Markup> {
    let whole = &series.iter().find(|ahead| ahead.name == TOTAL)?.outlook;
    let parts: Vec<_> = series.iter().filter(|ahead| ahead.name != TOTAL).collect();
    let sum: f64 = parts.iter().map(|ahead| ahead.outlook.mean).sum();
    let apart = sum - whole.mean;
    let part = apart.abs() / whole.mean;
    (!parts.is_empty() && whole.mean > 0.0).then(|| {
        html! {
            "Each series has a forecast of its own: the segments add up to " (target.short(sum))
            @if part < SAME { ", as much as the forecast of all." }
            @else {
                ", which is " (target.short(apart.abs())) " (" (percent(part)) ") "
                @if apart > 0.0 { "more" } @else { "less" } " than the forecast of all."
            }
        }
    })
}

/// Whether a forecast is the upper end of its own interval.
fn always_high(outlook: &Outlook) -> bool {
    outlook.range().is_some_and(|(_, upper)| upper - outlook.mean <= SAME * outlook.mean.abs())
}

/// Whether a forecast is the lower end of its own interval, and not only because it is nothing.
fn always_low(outlook: &Outlook) -> bool {
    let low = |(lower, _): (f64, f64)| outlook.mean - lower <= SAME * outlook.mean.abs();
    outlook.mean > 0.0 && outlook.range().is_some_and(low)
}

/// The series as a table; no change is shown of guesses, nor against a year that a series hasn't had.
pub fn grid(series: &[Ahead], target: &Target) -> Grid {
    let any = |has: fn(&Ahead) -> bool| series.iter().any(has);
    let yearly = any(|ahead| ahead.outlook.year_ago.is_some());
    let compared = yearly || any(|ahead| ahead.outlook.before.is_some());
    let ranged = any(|ahead| ahead.outlook.range().is_some());
    let tested = any(|ahead| ahead.error.is_some());
    let row = |ahead: &Ahead| {
        let outlook = &ahead.outlook;
        let change = if yearly { outlook.yearly() } else { outlook.changes().map(|(part, ..)| part) };
        let change = change.filter(|_| !(ahead.is_guess() || yearly && ahead.is_young()));
        let base = if yearly { outlook.year_ago } else { outlook.before };
        let base = plain(target.short(base.unwrap_or(f64::NAN)));
        let change = change.map_or_else(|| plain("–"), signed);
        let ends =
            outlook.range().map(|(low, high)| format!("{} to {}", target.short(low), target.short(high)));
        let ends = plain(ends.unwrap_or_else(|| "–".to_owned()));
        let cells = std::iter::once(name(&ahead.name)).chain(compared.then_some(base));
        let cells = cells.chain([plain(target.short(outlook.mean))]).chain(compared.then_some(change));
        cells.chain(ranged.then_some(ends)).chain(tested.then(|| plain(off(ahead.error)))).collect()
    };
    let steps = series.iter().map(|ahead| ahead.outlook.steps).max().unwrap_or(0);
    let base = Column::Number(if yearly { "A year earlier" } else { "Last weeks" });
    let columns = [Column::Text("Segment")].into_iter().chain(compared.then_some(base));
    let columns = columns.chain([Column::Number("Next weeks")]);
    let columns = columns.chain(compared.then_some(Column::Number("Change")));
    let columns = columns.chain(ranged.then_some(Column::Number("Interval")));
    let weeks = counted(steps, "week", "weeks");
    Grid {
        caption: sentence(&format!("{} to expect in {weeks}, by segment", target.over_weeks())),
        columns: columns.chain(tested.then_some(Column::Number("Past error"))).collect(),
        rows: series.iter().map(row).collect(),
        marked: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::chart::Step;
    use crate::present::format::Unit;
    use crate::present::report::example::{flags, floats, table, texts};

    fn euro() -> Target {
        Target::named("revenue", &Unit::Money("€".to_owned()))
    }

    fn panel(name: &str, weeks: i64, steps: &[(f64, f64, f64)]) -> Panel {
        let step = |(at, (mean, lower, upper)): (i64, &(f64, f64, f64))| Step {
            day: 20_000 + 7 * at,
            mean: *mean,
            lower: *lower,
            upper: *upper,
            total: None,
        };
        let history = (-weeks..0).map(|at| (20_000 + 7 * at, 1.0)).collect();
        Panel { name: name.to_owned(), history, steps: (0..).zip(steps).map(step).collect() }
    }

    fn series(panels: Vec<Panel>, errors: &[(&str, f64)]) -> Vec<Ahead> {
        let fan = Fan { title: None, measure: "revenue".to_owned(), unit: euro().unit, panels };
        let errors = errors.iter().map(|(name, error)| ((*name).to_owned(), *error)).collect();
        all(&fan, &errors, &euro())
    }

    #[test]
    fn the_sum_of_the_segments_is_set_beside_the_whole() {
        let of = |mean: f64| [(mean, mean - 50.0, mean + 50.0)];
        let said = |all, a, b| {
            let panels = vec![panel("all", 9, &of(all)), panel("a", 9, &of(a)), panel("b", 9, &of(b))];
            notes(&series(panels, &[]), &[], &euro()).into_string()
        };
        let own = "<p class=\"under\">Each series has a forecast of its own: the segments add up to ";
        assert_eq!(
            said(1_000.0, 700.0, 350.0),
            format!("{own}€1,050, which is €50 (5.0%) more than the forecast of all.</p>")
        );
        assert_eq!(
            said(1_000.0, 700.0, 200.0),
            format!("{own}€900, which is €100 (10%) less than the forecast of all.</p>")
        );
        assert_eq!(said(1_000.0, 700.0, 300.0), format!("{own}€1,000, as much as the forecast of all.</p>"));
        let alone = series(vec![panel("all", 9, &of(5.0))], &[]);
        assert_eq!(notes(&alone, &[], &euro()).into_string(), "");
    }

    #[test]
    fn a_forecast_at_the_end_of_its_interval_and_a_series_without_one_are_explained() {
        let panels = vec![
            panel("high", 9, &[(73.1, 0.0, 73.1)]),
            panel("low", 9, &[(50.0, 50.0, 90.0)]),
            panel("nothing", 9, &[(0.0, 0.0, 144.0)]),
        ];
        let names = ["high", "low", "nothing", "few"].map(str::to_owned);
        let text = notes(&series(panels, &[]), &names, &euro()).into_string().replace("</p>", "");
        let said: Vec<_> = text.split("<p class=\"under\">").skip(1).collect();
        assert_eq!(
            said,
            [
                "Without a forecast, because too few of their weeks had any revenue: <bdi>few</bdi>.",
                "Nearly all forecasts made for the past of <bdi>high</bdi> were too high, so this one is the upper end of its interval: expect less.",
                "Nearly all forecasts made for the past of <bdi>low</bdi> were too low, so this one is the lower end of its interval: expect more.",
            ]
        );
    }

    #[test]
    fn columns_without_a_value_are_left_out() {
        let open = [(5.0, f64::NAN, f64::NAN)];
        let columns = |weeks| grid(&series(vec![panel("a", weeks, &open)], &[]), &euro()).columns;
        assert_eq!(columns(0), [Column::Text("Segment"), Column::Number("Next weeks")]);
        assert_eq!(columns(9).len(), 4);
    }

    /// A series that was off by half in its own back-test, one off beyond all bounds, and one that has
    /// not been there for a year have no change in green, whatever the arithmetic says.
    #[test]
    fn guesses_and_young_series_show_no_change() {
        let step = [(4.0, 3.0, 5.0)];
        let mut young = panel("young", 60, &step);
        young.history.iter_mut().take(30).for_each(|point| point.1 = 0.0);
        let panels = ["sound", "wild", "odd"].map(|name| panel(name, 60, &step)).into_iter().chain([young]);
        let series = series(panels.collect(), &[("sound", 0.05), ("wild", 0.53), ("odd", 1_130.0)]);
        let grid = grid(&series, &euro());
        let cells = |at: usize| grid.rows.iter().map(|row| row[at].0.as_str()).collect::<Vec<_>>();
        assert_eq!(cells(3), ["<span class=\"up\">+300%</span>", "–", "–", "–"]);
        assert_eq!(grid.columns[5], Column::Number("Past error"));
        assert_eq!(cells(5), ["5.0%", "53%", "more than 100%", "–"]);
        let html = notes(&series, &[], &euro()).into_string();
        let guesses = "Caution: </b>the forecasts of <bdi>wild</bdi> (53% off in the tests on the past) and \
                       <bdi>odd</bdi> (more than 100% off in the tests on the past) are guesses, and no change is \
                       shown for them.";
        assert!(html.contains(guesses), "{html}");
        let young = "<bdi>young</bdi> is younger than a year, and has no year before to be set against.";
        assert!(html.contains(young), "{html}");
        assert_eq!(guess(&series[1]).unwrap().0, "It is a guess: in the tests on the past it was 53% off.");
        assert!(guess(&series[0]).is_none());
        let one = super::guesses(&series[1..2]).unwrap().into_string();
        assert!(one.ends_with("is a guess, and no change is shown for it"), "{one}");
    }

    /// The error is that of the model that makes the series' forecast.
    #[test]
    fn the_error_of_a_series_is_that_of_its_best_model() {
        let forecast = table(vec![
            ("series", texts(["a", "a", "b", "d"])),
            ("model", texts(["naive", "ridge", "naive", "ridge"])),
            ("best", flags([false, true, true, true])),
        ]);
        let scores = table(vec![
            ("series", texts(["a", "a", "b", "c", "d"])),
            ("model", texts(["naive", "ridge", "ridge", "naive", "ridge"])),
            ("wape", floats([0.1, 0.2, 0.3, 0.4, f64::NAN])),
            ("mae", floats([1.0; 5])),
        ]);
        let inputs = Inputs { forecast: Some(forecast), scores: Some(scores), ..Inputs::default() };
        let mut found: Vec<_> = errors(&inputs).unwrap().into_iter().collect();
        found.sort_by(|one, two| one.0.cmp(&two.0));
        // Nothing came of `d`, and something had been forecast.
        assert_eq!(found, [("a".to_owned(), 0.2), ("d".to_owned(), f64::INFINITY)]);
    }
}
