//! Tests of the simulator: moments, independence of customers, order.

use std::sync::atomic::Ordering::Relaxed;

use arrow::array::{Array, AsArray, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};

use super::clock::{Clock, DAY, WEEKDAYS};
use super::*;
use crate::data::columns;
use crate::data::table::CHUNK;

/// Microseconds in a day.
const MICROS: i64 = crate::data::dates::DAY;

/// 2023-01-02, a Monday.
const MONDAY: i32 = 19_359;

fn settings(customers: u32, personas: Vec<Persona>) -> Settings {
    Settings {
        customers,
        first_day: MONDAY,
        days: 364,
        ids: Ids::Integer,
        personas,
        prices: built_in_prices(),
        growth: 0.0,
        dirt: Dirt::default(),
    }
}

/// Customers that are there from the start and are not lost, in a shop where all costs the same.
fn steady() -> Persona {
    Persona { established: 1.0, lifetime_weeks: 100_000.0, season: 1.5, ..Persona::default() }
}

fn shop(customers: u32, persona: Persona) -> Settings {
    Settings { prices: Weights::new(), ..settings(customers, vec![persona]) }
}

fn run(settings: &Settings) -> (RecordBatch, Simulation) {
    let mut batches = Vec::new();
    let mut sink = |batch| {
        batches.push(batch);
        Ok(())
    };
    let made = simulate(settings, 11, &mut sink, &|| Ok(())).unwrap();
    let sizes: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
    assert!(sizes.iter().rev().skip(1).all(|size| *size == CHUNK), "{sizes:?}");
    let rows = concat_batches(&schema(settings).unwrap(), &batches).unwrap();
    assert_eq!(rows.num_rows() as u64, made.rows);
    (rows, made)
}

fn all(table: &Table) -> RecordBatch {
    table.to_batch().unwrap()
}

fn ids(rows: &RecordBatch) -> &[i64] {
    rows.column(0).as_primitive::<Int64Type>().values()
}

fn times(rows: &RecordBatch) -> &[i64] {
    rows.column(1).as_primitive::<TimestampMicrosecondType>().values()
}

/// Seconds since the start.
fn seconds(rows: &RecordBatch) -> impl Iterator<Item = u32> {
    let start = i64::from(MONDAY) * 86_400;
    times(rows).iter().map(move |time| u32::try_from(time / 1_000_000 - start).unwrap())
}

fn amounts(rows: &RecordBatch) -> &[f64] {
    rows.column(2).as_primitive::<Float64Type>().values()
}

/// Every row as text, in order, for customers for which `keep` holds.
fn lines(rows: &RecordBatch, keep: impl Fn(&str) -> bool) -> Vec<String> {
    let texts: Vec<StringArray> =
        rows.schema().fields().iter().map(|field| columns::strings(rows, field.name()).unwrap()).collect();
    let line = |row| {
        let cells = texts.iter().map(|text| if text.is_null(row) { "-" } else { text.value(row) });
        keep(texts[0].value(row)).then(|| cells.collect::<Vec<_>>().join("|"))
    };
    (0..rows.num_rows()).filter_map(line).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variance(values: &[f64]) -> f64 {
    let center = mean(values);
    values.iter().map(|value| (value - center).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

/// Pearson's statistic against expected shares.
fn chi_square(counts: &[usize], shares: &[f64]) -> f64 {
    let total: usize = counts.iter().sum();
    let term = |(count, share): (&usize, &f64)| {
        let expected = share * total as f64;
        (*count as f64 - expected).powi(2) / expected
    };
    counts.iter().zip(shares).map(term).sum()
}

/// Orders by customer, those without any included.
fn counts(rows: &RecordBatch, customers: usize) -> Vec<f64> {
    let mut counts = vec![0.0; customers];
    ids(rows).iter().for_each(|id| counts[*id as usize - 1] += 1.0);
    counts
}

#[test]
fn one_customer_more_leaves_all_others_as_they_were() {
    for ids in [Ids::Integer, Ids::Uuid] {
        let few = Settings { ids, ..settings(2_100, built_in()) };
        let (rows, made) = run(&few);
        let (more_rows, more) = run(&Settings { customers: 2_101, ..few });
        let known = columns::strings(&all(&made.customers), "customer_id").unwrap();
        let known: std::collections::HashSet<&str> = known.iter().flatten().collect();
        assert_eq!(lines(&rows, |_| true), lines(&more_rows, |id| known.contains(id)));
        let truth = |made: &Simulation| lines(&all(&made.truth), |id| known.contains(id));
        assert_eq!(truth(&made), truth(&more));
        assert_eq!(more.truth.rows(), 2_101);
    }
}

#[test]
fn threads_cannot_change_a_byte() {
    let settings = settings(5_000, built_in());
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&settings))
    };
    let (one, two) = (with(1), with(2));
    assert_eq!(one.0, two.0);
    assert_eq!(all(&one.1.truth), all(&two.1.truth));
    assert_eq!(all(&one.1.customers), all(&two.1.customers));
}

#[test]
fn slices_of_time_cannot_change_a_byte() {
    let dirt = Dirt { missing_amounts: 0.1, duplicates: 0.2, outliers: 0.1 };
    let settings = Settings { dirt, ..settings(2_100, built_in()) };
    let (whole, made) = run(&settings);
    let market = Market::new(&settings).unwrap();
    let slices = slices(&market, settings.customers, 3_000.0);
    assert!(slices.len() > 5);
    assert!(slices.windows(2).all(|pair| pair[0].end == pair[1].start));
    assert_eq!((slices[0].start, slices[slices.len() - 1].end), (0, 364));
    let mut batches = Vec::new();
    let mut sink = |batch| {
        batches.push(batch);
        Ok(())
    };
    let sliced = in_slices(&settings, &market, &slices, 11, &mut sink, &|| Ok(())).unwrap();
    assert_eq!(concat_batches(&whole.schema(), &batches).unwrap(), whole);
    assert_eq!((all(&sliced.truth), sliced.revenue), (all(&made.truth), made.revenue));
}

#[test]
fn rows_are_sorted_and_inside_the_period() {
    let (rows, made) = run(&settings(4_000, built_in()));
    assert!(rows.num_rows() > CHUNK);
    let keys: Vec<_> = times(&rows).iter().zip(ids(&rows)).collect();
    assert!(keys.is_sorted());
    assert!(seconds(&rows).all(|second| second < 364 * DAY));
    let hundredths = |amount: &f64| ((amount * 100.0).round() - amount * 100.0).abs() < 1e-6;
    assert!(amounts(&rows).iter().all(|amount| *amount >= 0.01 && hundredths(amount)));
    assert!((made.revenue - amounts(&rows).iter().sum::<f64>()).abs() < 0.01);
}

#[test]
fn nobody_orders_before_acquisition_or_after_being_lost() {
    let (rows, made) = run(&settings(2_000, built_in()));
    let acquired = columns::timestamps(&all(&made.customers), "acquired").unwrap();
    let until = columns::timestamps(&all(&made.truth), "alive_until").unwrap();
    let mut first = vec![i64::MAX; 2_000];
    for (id, time) in ids(&rows).iter().zip(times(&rows)) {
        let at = *id as usize - 1;
        assert!(acquired.value(at) <= *time && *time <= until.value(at));
        first[at] = first[at].min(*time);
    }
    let start = i64::from(MONDAY) * MICROS;
    for (at, first) in first.into_iter().enumerate().filter(|(at, _)| acquired.value(*at) >= start) {
        // The acquisition was an order.
        assert_eq!(first / MICROS, acquired.value(at) / MICROS);
    }
}

#[test]
fn orders_of_steady_customers_are_negative_binomial() {
    let customers = 4_000;
    let (rows, made) = run(&shop(customers, steady()));
    let counts = counts(&rows, customers as usize);
    let load = Clock::new(MONDAY, 364, 1.5, 0.0).total();
    let expected = 0.5 / 7.0 * load;
    let spread = expected + expected * expected / 2.0;
    let error = (spread / f64::from(customers)).sqrt();
    assert!((mean(&counts) - expected).abs() < 4.0 * error, "{} {expected}", mean(&counts));
    assert!((variance(&counts) / spread - 1.0).abs() < 0.15, "{} {spread}", variance(&counts));
    let rates = columns::float_vec(&all(&made.truth), "orders_per_week").unwrap();
    assert!((mean(&rates) - 0.5).abs() < 4.0 * (0.125 / f64::from(customers)).sqrt());
    assert!((variance(&rates) / 0.125 - 1.0).abs() < 0.15);
    // Given the rate a count is Poisson: its standardised square is one on average.
    let scores = rates.iter().zip(&counts).map(|(rate, count)| {
        let expected = rate / 7.0 * load;
        (count - expected).powi(2) / expected
    });
    assert!((mean(&scores.collect::<Vec<_>>()) - 1.0).abs() < 0.15);
}

#[test]
fn orders_follow_weekday_month_and_hour() {
    let (rows, _) = run(&shop(4_000, steady()));
    let clock = Clock::new(MONDAY, 364, 1.5, 0.0);
    let share = |days: &dyn Fn(usize) -> bool| {
        let load = (0..364).filter(|day| days(*day)).map(|day| clock.before(day + 1) - clock.before(day));
        load.sum::<f64>() / clock.total()
    };
    let mut weekdays = [0; 7];
    let mut months = [0; 13];
    let mut hours = [0; 24];
    for second in seconds(&rows) {
        let day = (second / DAY) as usize;
        weekdays[day % 7] += 1;
        months[day / 28] += 1;
        hours[second as usize % 86_400 / 3_600] += 1;
    }
    // The bounds are the 99.99 % points of chi-square with 6, 12 and 23 degrees of freedom.
    let by_weekday: [f64; 7] = std::array::from_fn(|weekday| share(&|day| day % 7 == weekday));
    assert!(chi_square(&weekdays, &by_weekday) < 27.9, "{weekdays:?}");
    let by_month: [f64; 13] = std::array::from_fn(|month| share(&|day| day / 28 == month));
    assert!(chi_square(&months, &by_month) < 39.1, "{months:?}");
    let busy = [17, 18, 19, 20].map(|hour| hours[hour]).iter().sum::<usize>() as f64;
    let expected = (18.0 + 22.0 + 24.0 + 20.0) / 258.0;
    assert!((busy / rows.num_rows() as f64 - expected).abs() < 0.01, "{hours:?}");
    // Weekdays matter more than the season's drift within a week.
    assert!((by_weekday[5] / by_weekday[0] - WEEKDAYS[5] / WEEKDAYS[0]).abs() < 0.03);
}

#[test]
fn lifetimes_are_exponential() {
    let persona = Persona { established: 1.0, lifetime_weeks: 40.0, ..Persona::default() };
    let (_, made) = run(&shop(5_000, persona));
    let start = i64::from(MONDAY) * MICROS;
    let until = columns::timestamps(&all(&made.truth), "alive_until").unwrap();
    let weeks: Vec<f64> =
        until.values().iter().map(|time| (time - start) as f64 / (7 * MICROS) as f64).collect();
    assert!((mean(&weeks) / 40.0 - 1.0).abs() < 4.0 / 5_000_f64.sqrt());
    assert!((variance(&weeks).sqrt() / 40.0 - 1.0).abs() < 0.08);
    let alive = columns::float_vec(&all(&made.truth), "alive_at_end").unwrap();
    let expected = (-52.0_f64 / 40.0).exp();
    assert!((mean(&alive) - expected).abs() < 4.0 * (expected * (1.0 - expected) / 5_000.0).sqrt());
}

#[test]
fn amounts_are_gamma_around_inverse_gamma_means() {
    let persona = Persona { mean_spend: 200.0, spend_shape: 3.0, spend_spread: 12.0, ..steady() };
    let priced = Settings { prices: built_in_prices(), ..shop(4_000, persona.clone()) };
    for settings in [shop(4_000, persona), priced] {
        let (rows, made) = run(&settings);
        let means = columns::float_vec(&all(&made.truth), "mean_spend").unwrap();
        // Inverse gamma with shape q: variance mean^2 / (q - 2).
        assert!((mean(&means) / 200.0 - 1.0).abs() < 4.0 * (0.1_f64 / 4_000.0).sqrt());
        assert!((variance(&means).sqrt() / (200.0 * 0.1_f64.sqrt()) - 1.0).abs() < 0.1);
        let ratio = |(id, amount): (&i64, &f64)| amount / means[*id as usize - 1];
        let ratios: Vec<f64> = ids(&rows).iter().zip(amounts(&rows)).map(ratio).collect();
        let error = (variance(&ratios) / ratios.len() as f64).sqrt();
        assert!((mean(&ratios) - 1.0).abs() < 4.0 * error, "{}", mean(&ratios));
        if settings.prices.is_empty() {
            assert!((variance(&ratios) * 3.0 - 1.0).abs() < 0.05, "{}", variance(&ratios));
        }
    }
}

#[test]
fn preferences_are_dirichlet_and_prices_show() {
    let persona = Persona { orders_per_week: 8.0, rate_shape: 1000.0, ..steady() };
    let (rows, _) = run(&Settings { prices: built_in_prices(), ..shop(1_000, persona.clone()) });
    let channels = columns::strings(&rows, "channel").unwrap();
    let mut web = vec![0.0; 1_000];
    for (id, _) in ids(&rows).iter().zip(&channels).filter(|(_, channel)| *channel == Some("web")) {
        web[*id as usize - 1] += 1.0;
    }
    let shares: Vec<f64> = counts(&rows, 1_000)
        .iter()
        .zip(&web)
        .filter(|(all, _)| **all > 0.0)
        .map(|(all, web)| web / all)
        .collect();
    let expected = persona.channels["web"];
    // Dirichlet: variance w (1 - w) / (concentration + 1), and a little from counting.
    let spread = expected * (1.0 - expected) / 11.0;
    assert!((mean(&shares) - expected).abs() < 4.0 * (spread / 1_000.0).sqrt());
    assert!((variance(&shares) / spread - 1.0).abs() < 0.2, "{} {spread}", variance(&shares));
    let categories = columns::strings(&rows, "category").unwrap();
    let paid = |name: &str| {
        let own = categories.iter().zip(amounts(&rows)).filter(|(category, _)| *category == Some(name));
        mean(&own.map(|(_, amount)| *amount).collect::<Vec<_>>())
    };
    assert!(paid("travel") > 3.0 * paid("grocery"));
    assert!(paid("books") < paid("grocery"));
}

#[test]
fn personas_and_local_customers_have_their_shares() {
    let (_, made) = run(&settings(20_000, built_in()));
    let names = columns::strings(&all(&made.truth), "persona").unwrap();
    let local = columns::float_vec(&all(&made.customers), "is_local").unwrap();
    for persona in built_in() {
        let own: Vec<f64> =
            names.iter().zip(&local).filter(|row| row.0 == Some(&persona.name)).map(|row| *row.1).collect();
        let share = own.len() as f64 / 20_000.0;
        assert!((share - persona.share).abs() < 0.012, "{} {share}", persona.name);
        assert!((mean(&own) - persona.local).abs() < 4.5 * (0.25 / own.len() as f64).sqrt());
    }
}

#[test]
fn three_years_bring_about_sixty_orders_a_customer() {
    let three_years = Settings { days: 1_092, growth: 0.04, ..settings(8_000, built_in()) };
    let (rows, _) = run(&three_years);
    let mean = rows.num_rows() as f64 / 8_000.0;
    assert!((56.0..64.0).contains(&mean), "{mean}");
    assert!(rows.num_rows() as f64 <= most_rows(&three_years).unwrap());
}

#[test]
fn dirt_changes_only_the_dirty_rows() {
    let clean = settings(3_000, built_in());
    let dirt = Dirt { missing_amounts: 0.05, duplicates: 0.02, outliers: 0.01 };
    let (dirty, _) = run(&Settings { dirt, ..clean.clone() });
    let (rows, _) = run(&clean);
    let (dirty, clean) = (lines(&dirty, |_| true), lines(&rows, |_| true));
    let mut deduplicated = dirty.clone();
    deduplicated.dedup();
    let share = |count: usize| count as f64 / clean.len() as f64;
    // Distinct orders of one customer in one second are rare but may look like a duplicate.
    assert!((share(dirty.len() - deduplicated.len()) - 0.02).abs() < 0.004);
    assert_eq!(deduplicated.len(), clean.len());
    let amount = |line: &str| line.split('|').nth(2).unwrap().parse::<f64>().ok();
    let (mut missing, mut outliers) = (0, 0);
    for (dirty, clean) in deduplicated.iter().zip(&clean).filter(|(dirty, clean)| dirty != clean) {
        match (amount(dirty), amount(clean).unwrap()) {
            (None, _) => missing += 1,
            (Some(dirty), clean) => {
                assert!((19.9..100.1).contains(&(dirty / clean)));
                outliers += 1;
            }
        }
    }
    assert!((share(missing) - 0.05).abs() < 0.005, "{missing}");
    assert!((share(outliers) - 0.01).abs() < 0.003, "{outliers}");
}

#[test]
fn a_minute_shop_and_a_strict_one() {
    let (rows, made) = run(&Settings { days: 1, ..settings(1, vec![steady()]) });
    assert!(rows.num_rows() < 10);
    assert_eq!((made.customers.rows(), made.truth.rows()), (1, 1));
    let only = |name: &str| Weights::from([(name.to_owned(), 1.0)]);
    let strict = Persona { channels: only("kiosk"), categories: only("tea"), concentration: 0.1, ..steady() };
    let (rows, _) = run(&settings(50, vec![strict]));
    for (column, value) in [("channel", "kiosk"), ("category", "tea")] {
        assert!(columns::strings(&rows, column).unwrap().iter().all(|text| text == Some(value)));
    }
}

#[test]
fn what_nobody_can_be_drawn_from_is_an_error() {
    let error = |settings: Settings| most_rows(&settings).unwrap_err().to_string();
    let persona = Persona { spend_spread: 1.0, ..steady() };
    assert_eq!(error(settings(1, vec![persona])), "`spend_spread` must be between 1.1 and 1000, not 1");
    let persona = Persona { local: f64::NAN, ..steady() };
    assert_eq!(error(settings(1, vec![persona])), "`local` must be between 0 and 1, not NaN");
    let persona = Persona { channels: Weights::new(), ..steady() };
    assert_eq!(error(settings(1, vec![persona])), "`channels` at least one weight must be above 0");
    assert!(error(settings(1, Vec::new())).starts_with("at least one persona"));
    assert!(error(Settings { days: 0, ..settings(1, built_in()) }).starts_with("the period must have"));
}

#[test]
fn an_interrupted_simulation_ends() {
    let settings = settings(10, built_in());
    let stop = || anyhow::bail!("interrupted");
    assert!(simulate(&settings, 1, &mut |_| Ok(()), &stop).is_err());
    assert!(simulate(&settings, 1, &mut |_| anyhow::bail!("the disk is full"), &|| Ok(())).is_err());
    // Between two batches, and while the customers are put down behind the last one.
    let settings = self::settings(16_000, built_in());
    let (rows, _) = run(&settings);
    let whole = rows.num_rows().div_ceil(CHUNK);
    assert!(whole > 2);
    for last in [1, whole] {
        let given = std::sync::atomic::AtomicUsize::new(0);
        let mut sink = |_| {
            given.fetch_add(1, Relaxed);
            Ok(())
        };
        let stop = || if given.load(Relaxed) < last { Ok(()) } else { anyhow::bail!("interrupted") };
        assert!(simulate(&settings, 11, &mut sink, &stop).is_err());
        assert_eq!(given.into_inner(), last, "nothing is handed on any more");
    }
}

/// Customers who come in the period, and are lost with a repeat order.
fn leaving(a: f64, b: f64) -> Settings {
    shop(4_000, Persona { established: 0.0, dropout: Some(Dropout { a, b }), ..steady() })
}

#[test]
fn chances_to_be_lost_are_beta_and_the_last_order_is_the_loss() {
    let (rows, made) = run(&leaving(2.0, 3.0));
    let truth = all(&made.truth);
    let chances = columns::float_vec(&truth, "dropout").unwrap();
    // Beta(2, 3): mean 0.4, variance 0.04; four standard errors.
    assert!((mean(&chances) - 0.4).abs() < 4.0 * (0.04_f64 / 4_000.0).sqrt());
    assert!((variance(&chances) - 0.04).abs() < 0.004);
    let until = truth.column(3).as_primitive::<TimestampMicrosecondType>().values();
    let alive = truth.column(4).as_boolean();
    let mut last = vec![i64::MIN; 4_000];
    for (id, time) in ids(&rows).iter().zip(times(&rows)) {
        last[*id as usize - 1] = *time;
    }
    let orders = counts(&rows, 4_000);
    let end = (i64::from(MONDAY) + 364) * MICROS;
    for id in 0..4_000 {
        assert_eq!(alive.value(id), until[id] >= end);
        assert!(alive.value(id) || (last[id] == until[id] && orders[id] >= 2.0), "customer {id}");
    }
    // Everybody's first order is none that loses a customer, every other one is with the same chance.
    let early: Vec<usize> = (0..4_000).filter(|id| orders[*id] >= 2.0).collect();
    let repeats: f64 = early.iter().map(|id| orders[*id] - 1.0).sum();
    let expected: f64 = early.iter().map(|id| (orders[*id] - 1.0) * chances[*id]).sum();
    let spread: f64 = early.iter().map(|id| (orders[*id] - 1.0) * chances[*id] * (1.0 - chances[*id])).sum();
    let lost = early.iter().filter(|id| !alive.value(**id)).count() as f64;
    assert!(repeats > 4_000.0 && (lost - expected).abs() < 4.0 * spread.sqrt(), "{lost} {expected}");
}

#[test]
fn drop_out_knows_neither_slices_nor_other_customers() {
    let settings = leaving(0.8, 2.5);
    let (rows, made) = run(&settings);
    let market = Market::new(&settings).unwrap();
    let mut batches = Vec::new();
    let mut sink = |batch| {
        batches.push(batch);
        Ok(())
    };
    let cut = [0..1, 1..50, 50..300, 300..364];
    let sliced = in_slices(&settings, &market, &cut, 11, &mut sink, &|| Ok(())).unwrap();
    assert_eq!(concat_batches(&schema(&settings).unwrap(), &batches).unwrap(), rows);
    assert_eq!(all(&sliced.truth), all(&made.truth));
    let (_, more) = run(&Settings { customers: 4_001, ..settings });
    assert_eq!(all(&more.truth).slice(0, 4_000), all(&made.truth));
}
