//! Gradients against finite differences, and what a small network learns.

use super::super::dense::layers::check::{agrees, dot, noise as some};
use super::super::samples::{close_to, table};
use super::*;

const SMALL: Settings = Settings { epochs: 2, batch: 50, width: 32, latent: 8, seed: 3 };

fn watch() -> Watch<'static, String> {
    Watch { alive: &|| Ok(()), told: &|_, _| Ok(()) }
}

#[test]
fn gradients_of_the_generator() {
    let mut generator = Generator::new(6, 5, 40, &Streams::new(2, "test"));
    let (x, slope) = (some(8, 6, 1), some(8, 5, 2));
    let start = generator.clone();
    generator.learn(&x, &start.forward(&x), &slope);
    for layer in 0..3 {
        for at in [0, 3, 150] {
            agrees("generator", generator.layers()[layer].weights.gradient[at], |step| {
                let mut moved = start.clone();
                moved.layers()[layer].weights.value.data[at] += step;
                dot(&moved.forward(&x).out, &slope)
            });
        }
    }
}

#[test]
fn gradients_of_the_critic_and_of_its_penalty() {
    let critic = Critic::new(12, 40, &Streams::new(2, "test"));
    let (real, fake) = (some(6, 12, 1), some(6, 12, 2));
    let draws = Streams::new(5, "dropout");
    let held = |what: &str, compute: &dyn Fn(&mut Critic) -> f64| {
        let mut learnt = critic.clone();
        compute(&mut learnt);
        for layer in 0..3 {
            for at in [0, 5, 17, 39] {
                agrees(what, learnt.layers()[layer].weights.gradient[at], |step| {
                    let mut moved = critic.clone();
                    moved.layers()[layer].weights.value.data[at] += 0.1 * step;
                    10.0 * compute(&mut moved)
                });
            }
        }
    };
    held("comparison", &|critic| critic.compare(&real, &fake, &mut draws.of(0)));
    held("penalty", &|critic| critic.penalise(&real, 10.0, &mut draws.of(1)));
    let (_, slope) = critic.judge(real.clone(), &mut draws.of(2));
    for at in [0, 9, 40] {
        agrees("input", slope.data[at], |step| {
            let mut moved = real.clone();
            moved.data[at] += step;
            -critic.judge(moved, &mut draws.of(2)).0
        });
    }
}

#[test]
fn gradients_of_tanh_and_gumbel_softmax() {
    let spans = [Span { from: 0, count: 1, choice: false }, Span { from: 1, count: 3, choice: true }];
    let (out, slope) = (some(2, 4, 1), some(2, 4, 2));
    let draws = Streams::new(5, "gumbel");
    let active = activated(&out, &spans, &mut draws.of(0));
    let back = activated_back(&active, &slope, &spans);
    for at in 0..8 {
        agrees("activation", back.data[at], |step| {
            let mut moved = out.clone();
            moved.data[at] += 0.1 * step;
            10.0 * dot(&activated(&moved, &spans, &mut draws.of(0)), &slope)
        });
    }
}

#[test]
fn learns_shares_and_conditions_on_the_right_column() {
    let real = table(200);
    let settings = Settings { epochs: 40, batch: 50, width: 16, ..SMALL };
    let fitted = fit(&real, settings, &watch()).unwrap();
    let made = fitted.sample(500, 1, &[]).unwrap();
    close_to(&real, &made, 0.4);
    for (column, level) in [(1, 0), (3, 2)] {
        let fixed = fitted.sample(60, 1, &[(column, Given::Level(level))]).unwrap();
        let Column::Levels { codes, .. } = &fixed[column] else { panic!("no levels") };
        assert!(codes.iter().all(|code| *code == level));
    }
    assert_eq!(fitted.sample(1, 1, &[(0, Given::Number(1.0))]), Err(Unable::Number { column: 0 }));
    assert_eq!(fitted.sample(1, 1, &[(1, Given::Level(7))]), Err(Unable::Unseen { column: 1 }));
}

/// The condition's own column is what the generator gives: of rows drawn on a category that four in ten
/// have, most have it before any is thrown away.
#[test]
fn a_condition_reaches_the_generator() {
    let fitted = fit(&table(200), Settings { epochs: 80, batch: 50, width: 24, ..SMALL }, &watch()).unwrap();
    let mut rng = Streams::new(1, "test").of(0);
    for place in 0..2 {
        let vectors = fitted.conditions.sampling(500, Some((place, 1)), &mut rng);
        let latent = noise(500, SMALL.latent, &Streams::new(1, "test latent"), 0);
        let out = fitted.generator.apply(&latent.beside(&vectors));
        let made = fitted.encoder.decode(&activated(&out, &fitted.encoder.spans, &mut rng));
        let (column, _) = fitted.encoder.discrete[place];
        let Column::Levels { codes, .. } = &made[column] else { panic!("no levels") };
        let share = codes.iter().filter(|code| **code == 1).count() as f64 / 500.0;
        assert!(share > 0.5, "column {column}: {share}");
    }
}

#[test]
fn stops_when_it_is_told_to_and_gives_the_same_on_any_threads() {
    let settings = SMALL;
    let stop = Watch { alive: &|| Err("stopped".to_owned()), told: &|_, _| Ok(()) };
    assert_eq!(fit(&table(60), settings, &stop).unwrap_err(), "stopped");
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&table(120), settings, &watch()).unwrap().sample(70, 9, &[]).unwrap())
    };
    assert_eq!(format!("{:?}", on(1)), format!("{:?}", on(3)));
}

#[test]
fn two_rows_one_row_and_no_categories() {
    let settings = Settings { batch: 20, ..SMALL };
    for rows in [1, 2] {
        assert_eq!(fit(&table(rows), settings, &watch()).unwrap().sample(5, 1, &[]).unwrap()[0].rows(), 5);
    }
    let numbers = &table(50)[..1];
    let made = fit(numbers, settings, &watch()).unwrap().sample(30, 1, &[]).unwrap();
    assert_eq!(made[0].rows(), 30);
    let constant = [Column::Levels { codes: vec![0; 30], count: 1 }, Column::Numbers(vec![2.0; 30])];
    let made = fit(&constant, settings, &watch()).unwrap().sample(30, 1, &[]).unwrap();
    assert_eq!(made, constant);
}
