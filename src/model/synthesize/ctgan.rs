//! CTGAN: a conditional generative adversarial network for tables.
//!
//! Knows encoded rows; the networks are [`networks`], what rows are conditioned on [`condition`].

mod condition;
mod networks;
#[cfg(test)]
mod tests;

use rand::{Rng, RngExt};

use self::condition::{Conditions, Drawn};
use self::networks::{Critic, Generator};
use super::deep::{Settings, Watch, can_fix, noise, until_enough};
use super::dense::layers::softmax;
use super::dense::{Adam, Matrix};
use super::encode::{Encoder, Span};
use super::normal::open;
use super::tvae::gathered;
use super::{Given, Unable};
use crate::model::mixed::{Column, MISSING};
use crate::model::random::Streams;

/// Rows that the critic sees at once.
pub const PAC: usize = 10;

/// The weight of the gradient penalty.
const PENALTY: f32 = 10.0;

/// How sharp choices are: the temperature of their softmax.
const TEMPERATURE: f32 = 0.2;

/// Batches whose moments stand for all rows once the generator has learnt.
const SETTLING: u64 = 40;

const ADAM: Adam = Adam { rate: 2e-4, beta_1: 0.5, beta_2: 0.9, decay: 1e-6 };

/// A fitted CTGAN.
#[derive(Clone, Debug)]
pub struct Ctgan {
    encoder: Encoder,
    conditions: Conditions,
    generator: Generator,
    settings: Settings,
}

/// Learns columns of equal length, of at least one row; `settings.batch` is rounded up to a multiple of 10.
///
/// Generator: two residual layers (of 256, as published) with batch normalisation; critic: two with leaky ReLU and dropout, which sees ten rows at
/// once (PacGAN). Wasserstein loss with gradient penalty 10, in its exact first-order form; the generator adds the cross-entropy of
/// the category that a row was conditioned on. Training conditions on one column at a time, with categories in proportion to the
/// logarithm of how often they occur; sampling does so in proportion to how often they occur. Adam with a rate of 0.0002.
///
/// # Errors
/// When the watch stops it.
///
/// References: Xu, Skoularidou, Cuesta-Infante and Veeramachaneni (2019), Modeling tabular data using conditional GAN; Gulrajani et
/// al. (2017), Improved training of Wasserstein GANs; Lin, Khetan, Fanti and Oh (2018), PacGAN.
pub fn fit<E>(columns: &[Column], settings: Settings, watch: &Watch<'_, E>) -> Result<Ctgan, E> {
    let mut training = Training::new(columns, settings);
    let steps = (training.data.rows / training.settings.batch).max(1);
    let mut time = 0;
    for epoch in 1..=settings.epochs {
        let (mut generator, mut critic) = (0.0, 0.0);
        for _ in 0..steps {
            (watch.alive)()?;
            time += 1;
            critic += training.critic_step(time);
            generator += training.generator_step(time);
        }
        let mean = |sum: f64| sum / steps as f64;
        (watch.told)(epoch, &[("generator_loss", mean(generator)), ("critic_loss", mean(critic))])?;
    }
    Ok(training.settled())
}

/// What changes while it learns.
struct Training {
    encoder: Encoder,
    conditions: Conditions,
    data: Matrix,
    generator: Generator,
    critic: Critic,
    settings: Settings,
    noises: Streams,
    draws: Streams,
}

impl Training {
    fn new(columns: &[Column], settings: Settings) -> Self {
        let encoder = Encoder::fit(columns);
        let data = encoder.encode(columns, settings.seed);
        let conditions = Conditions::of(&encoder, &data);
        let weights = Streams::new(settings.seed, "ctgan weights");
        let width = encoder.width + conditions.width;
        Self {
            generator: Generator::new(
                settings.latent + conditions.width,
                encoder.width,
                settings.width,
                &weights,
            ),
            critic: Critic::new(PAC * width, settings.width, &weights),
            settings: Settings { batch: settings.batch.max(1).next_multiple_of(PAC), ..settings },
            noises: Streams::new(settings.seed, "ctgan noise"),
            draws: Streams::new(settings.seed, "ctgan draws"),
            encoder,
            conditions,
            data,
        }
    }

    /// Conditions and the generator's input for them.
    fn input(&self, index: u64, rng: &mut impl Rng) -> (Drawn, Matrix) {
        let drawn = self.conditions.training(self.settings.batch, rng);
        let latent = noise(self.settings.batch, self.settings.latent, &self.noises, index);
        let input = latent.beside(&drawn.vectors);
        (drawn, input)
    }

    /// One step of the critic; gives its loss.
    fn critic_step(&mut self, time: u64) -> f64 {
        let mut rng = self.draws.of(2 * time);
        let (drawn, input) = self.input(2 * time, &mut rng);
        let fake = activated(&self.generator.forward(&input).out, &self.encoder.spans, &mut rng);
        // Real rows have the same conditions, in another order.
        let (rows, order) = self.conditions.rows(&drawn, &mut rng);
        let real = gathered(&self.data, &rows).beside(&gathered(&drawn.vectors, &order));
        let fake = fake.beside(&drawn.vectors);
        let wide = PAC * real.columns;
        let (real, fake) = (real.reshaped(wide), fake.reshaped(wide));
        let loss = self.critic.compare(&real, &fake, &mut rng);
        let mixed = interpolated(&real, &fake, &mut rng);
        let penalty = self.critic.penalise(&mixed, PENALTY, &mut rng);
        self.critic.step(&ADAM, time);
        loss + penalty
    }

    /// One step of the generator; gives its loss.
    fn generator_step(&mut self, time: u64) -> f64 {
        let mut rng = self.draws.of(2 * time + 1);
        let (drawn, input) = self.input(2 * time + 1, &mut rng);
        let trace = self.generator.forward(&input);
        let fake = activated(&trace.out, &self.encoder.spans, &mut rng);
        let wide = PAC * (self.encoder.width + self.conditions.width);
        let (score, slope) = self.critic.judge(fake.beside(&drawn.vectors).reshaped(wide), &mut rng);
        let slope = slope.reshaped(self.encoder.width + self.conditions.width).part(0, self.encoder.width);
        let mut slope = activated_back(&fake, &slope, &self.encoder.spans);
        let entropy = drawn.entropy(&trace.out, &mut slope);
        self.generator.learn(&input, &trace, &slope);
        self.generator.step(&ADAM, time);
        entropy - score
    }

    /// The model, whose normalisation stands for all rows.
    fn settled(mut self) -> Ctgan {
        let Settings { batch, latent: numbers, .. } = self.settings;
        let moments = (0..SETTLING).map(|number| {
            let mut rng = self.draws.of(u64::MAX - number);
            let latent = noise(batch, numbers, &self.noises, (1 << 38) + number);
            let vectors = self.conditions.sampling(batch, None, &mut rng);
            self.generator.forward(&latent.beside(&vectors)).moments()
        });
        let moments: Vec<_> = moments.collect();
        self.generator.settle(&moments);
        let Self { encoder, conditions, generator, settings, .. } = self;
        Ctgan { encoder, conditions, generator, settings }
    }
}

impl Ctgan {
    /// Draws rows. A fixed column is what the generator is conditioned on (of several the one whose value is rarest); rows
    /// that don't have the fixed values are drawn again. The same seed gives the same rows.
    ///
    /// # Errors
    /// See [`Unable`].
    pub fn sample(&self, count: usize, seed: u64, given: &[(usize, Given)]) -> Result<Vec<Column>, Unable> {
        can_fix(&self.encoder, given)?;
        let (latent, streams) = (Streams::new(seed, "ctgan latent"), Streams::new(seed, "ctgan rows"));
        let fixed: Vec<(usize, usize)> = given
            .iter()
            .filter_map(|(column, value)| {
                let level = if let Given::Level(level) = value { *level } else { MISSING };
                let place = self.encoder.discrete.iter().position(|(at, _)| at == column)?;
                Some((place, self.encoder.choice(*column, level)?))
            })
            .collect();
        let on = self.conditions.rarest(&fixed);
        let Settings { batch, latent: numbers, .. } = self.settings;
        until_enough(count, batch, given, |number| {
            let mut rng = streams.of(number);
            let vectors = self.conditions.sampling(batch, on, &mut rng);
            let out = self.generator.apply(&noise(batch, numbers, &latent, number).beside(&vectors));
            self.encoder.decode(&activated(&out, &self.encoder.spans, &mut rng))
        })
    }
}

/// Tanh of numbers and the Gumbel-softmax of choices.
///
/// Reference: Jang, Gu and Poole (2017), Categorical reparameterization with Gumbel-softmax.
fn activated(out: &Matrix, spans: &[Span], rng: &mut impl Rng) -> Matrix {
    let mut active = out.clone();
    for row in active.rows_mut() {
        for span in spans {
            let cells = &mut row[span.from..][..span.count];
            if !span.choice {
                cells[0] = libm::tanhf(cells[0]);
                continue;
            }
            for cell in cells.iter_mut() {
                let gumbel = -libm::logf(-libm::logf(open(rng) as f32).min(-1e-20));
                *cell = (*cell + gumbel) / TEMPERATURE;
            }
            softmax(cells);
        }
    }
    active
}

/// The gradient before [`activated`], from its output.
fn activated_back(active: &Matrix, slope: &Matrix, spans: &[Span]) -> Matrix {
    let mut back = slope.clone();
    for (row, active) in back.rows_mut().zip(active.rows()) {
        for span in spans {
            let (cells, active) = (&mut row[span.from..][..span.count], &active[span.from..][..span.count]);
            if !span.choice {
                cells[0] *= 1.0 - active[0] * active[0];
                continue;
            }
            let dot: f32 = cells.iter().zip(active).map(|(slope, share)| slope * share).sum();
            cells
                .iter_mut()
                .zip(active)
                .for_each(|(slope, share)| *slope = share * (*slope - dot) / TEMPERATURE);
        }
    }
    back
}

/// Points between real and fake ones, one share for each row of the critic.
fn interpolated(real: &Matrix, fake: &Matrix, rng: &mut impl Rng) -> Matrix {
    let mut mixed = real.clone();
    for (row, fake) in mixed.rows_mut().zip(fake.rows()) {
        let share: f32 = rng.random();
        row.iter_mut().zip(fake).for_each(|(cell, fake)| *cell = share * *cell + (1.0 - share) * fake);
    }
    mixed
}
