//! TVAE: a variational autoencoder for tables.
//!
//! Knows encoded rows; see [`super::encode`] for what they mean.

use rand::RngExt;

use super::deep::{Settings, Watch, can_fix, noise, until_enough};
use super::dense::gemm::{Turn, product};
use super::dense::layers::{Linear, relu, relu_back, softmax};
use super::dense::{Adam, Matrix, Weights};
use super::encode::{Encoder, Span};
use super::normal::draw;
use super::{Given, Unable};
use crate::model::mixed::{Column, rows};
use crate::model::random::Streams;

/// How much more the reconstruction counts than the divergence.
const FACTOR: f32 = 2.0;

const ADAM: Adam = Adam { rate: 1e-3, beta_1: 0.9, beta_2: 0.999, decay: 1e-5 };

/// A fitted TVAE.
#[derive(Clone, Debug)]
pub struct Tvae {
    encoder: Encoder,
    network: Network,
    settings: Settings,
}

/// The layers.
#[derive(Clone, Debug)]
struct Network {
    spans: Vec<Span>,
    /// Encoder, to the mean and the logarithm of the variance.
    encode: [Linear; 2],
    mean: Linear,
    log_variance: Linear,
    /// Decoder.
    decode: [Linear; 3],
    /// The deviation of each number about its reconstruction.
    deviation: Weights,
}

/// Learns columns of equal length.
///
/// Encoder and decoder have two layers (of 128, as published). The loss is twice the negative log-likelihood of the
/// reconstruction (normal about tanh for numbers, with a learnt deviation from 0.01 to 1; cross-entropy for choices) plus the
/// divergence from the standard normal distribution. Adam with a rate of 0.001.
///
/// # Errors
/// When the watch stops it.
///
/// Reference: Xu, Skoularidou, Cuesta-Infante and Veeramachaneni (2019), Modeling tabular data using conditional GAN.
pub fn fit<E>(columns: &[Column], settings: Settings, watch: &Watch<'_, E>) -> Result<Tvae, E> {
    let encoder = Encoder::fit(columns);
    let data = encoder.encode(columns, settings.seed);
    let mut network = Network::new(&encoder, settings);
    let (orders, noises) =
        (Streams::new(settings.seed, "tvae order"), Streams::new(settings.seed, "tvae noise"));
    let mut order: Vec<usize> = (0..rows(columns)).collect();
    let mut time = 0;
    for epoch in 1..=settings.epochs {
        let mut rng = orders.of(epoch as u64);
        for last in (1..order.len()).rev() {
            order.swap(last, rng.random_range(0..=last));
        }
        let (mut loss, mut steps) = (0.0, 0.0);
        for batch in order.chunks(settings.batch.max(1)) {
            (watch.alive)()?;
            time += 1;
            let x = gathered(&data, batch);
            loss += network.learn(&x, &noise(batch.len(), settings.latent, &noises, time));
            steps += 1.0;
            network.step(time);
        }
        (watch.told)(epoch, &[("loss", loss / f64::max(steps, 1.0))])?;
    }
    Ok(Tvae { encoder, network, settings: Settings { batch: settings.batch.max(1), ..settings } })
}

/// Some rows.
pub(super) fn gathered(data: &Matrix, rows: &[usize]) -> Matrix {
    let mut out = Matrix::zeros(rows.len(), data.columns);
    out.rows_mut().zip(rows).for_each(|(cells, row)| cells.copy_from_slice(data.row(*row)));
    out
}

impl Tvae {
    /// Draws rows; those that don't have the fixed columns are drawn again. The same seed gives the same rows.
    ///
    /// # Errors
    /// See [`Unable`].
    pub fn sample(&self, count: usize, seed: u64, given: &[(usize, Given)]) -> Result<Vec<Column>, Unable> {
        can_fix(&self.encoder, given)?;
        let (latent, streams) = (Streams::new(seed, "tvae latent"), Streams::new(seed, "tvae rows"));
        let Settings { batch, latent: numbers, .. } = self.settings;
        until_enough(count, batch, given, |number| {
            let mut out = self.network.decoded(&noise(batch, numbers, &latent, number));
            let mut rng = streams.of(number);
            for row in out.rows_mut() {
                self.network.spans.iter().for_each(|span| self.network.drawn(*span, row, &mut rng));
            }
            self.encoder.decode(&out)
        })
    }
}

impl Network {
    fn new(encoder: &Encoder, settings: Settings) -> Self {
        let (streams, row) = (Streams::new(settings.seed, "tvae weights"), encoder.width);
        let Settings { width, latent, .. } = settings;
        let layer = |inputs, outputs, number| Linear::new(inputs, outputs, &streams, number);
        Self {
            spans: encoder.spans.clone(),
            encode: [layer(row, width, 0), layer(width, width, 1)],
            mean: layer(width, latent, 2),
            log_variance: layer(width, latent, 3),
            decode: [layer(latent, width, 4), layer(width, width, 5), layer(width, row, 6)],
            deviation: Weights::new(Matrix { rows: 1, columns: row, data: vec![0.1; row] }),
        }
    }

    /// The decoder's output, before tanh and softmax.
    fn decoded(&self, latent: &Matrix) -> Matrix {
        let first = relu(self.decode[0].forward(latent));
        self.decode[2].forward(&relu(self.decode[1].forward(&first)))
    }

    /// Adds the gradients of a batch and gives its loss.
    fn learn(&mut self, x: &Matrix, epsilon: &Matrix) -> f64 {
        let first = relu(self.encode[0].forward(x));
        let second = relu(self.encode[1].forward(&first));
        let (mean, log_variance) = (self.mean.forward(&second), self.log_variance.forward(&second));
        let mut latent = mean.clone();
        for ((cell, log), epsilon) in latent.data.iter_mut().zip(&log_variance.data).zip(&epsilon.data) {
            *cell += libm::expf(0.5 * log) * epsilon;
        }
        let third = relu(self.decode[0].forward(&latent));
        let fourth = relu(self.decode[1].forward(&third));
        let out = self.decode[2].forward(&fourth);
        let (reconstruction, slope) = self.reconstruction(x, out);
        self.decode[2].learn(&fourth, &slope);
        let slope = relu_back(&fourth, self.decode[2].back(&slope));
        self.decode[1].learn(&third, &slope);
        let slope = relu_back(&third, self.decode[1].back(&slope));
        self.decode[0].learn(&latent, &slope);
        let (divergence, slopes) = divergence(&mean, &log_variance, epsilon, &self.decode[0].back(&slope));
        self.mean.learn(&second, &slopes.0);
        self.log_variance.learn(&second, &slopes.1);
        let mut slope = self.mean.back(&slopes.0);
        let other = self.log_variance.back(&slopes.1);
        slope.data.iter_mut().zip(&other.data).for_each(|(sum, value)| *sum += value);
        let slope = relu_back(&second, slope);
        self.encode[1].learn(&first, &slope);
        let slope = relu_back(&first, self.encode[1].back(&slope));
        // What lies before the first layer is data: no gradient of it is needed.
        self.encode[0].weights.add(&product(x, Turn::Over, &slope, Turn::As).data);
        self.encode[0].bias.add(&slope.column_sums());
        reconstruction + divergence
    }

    /// The loss of the reconstruction, and its gradient by the decoder's output.
    fn reconstruction(&mut self, x: &Matrix, out: Matrix) -> (f64, Matrix) {
        let scale = FACTOR / x.rows as f32;
        let (mut loss, mut slope) = (0.0_f64, out);
        let deviations = self.deviation.value.data.clone();
        for (row, x) in slope.rows_mut().zip(x.rows()) {
            for span in &self.spans {
                let (cells, x) = (&mut row[span.from..][..span.count], &x[span.from..][..span.count]);
                if span.choice {
                    softmax(cells);
                    for (cell, x) in cells.iter_mut().zip(x) {
                        if *x > 0.0 {
                            loss -= f64::from(libm::logf(cell.max(1e-30)));
                        }
                        *cell = scale * (*cell - x);
                    }
                    continue;
                }
                let deviation = deviations[span.from];
                let value = libm::tanhf(cells[0]);
                let (gap, variance) = (x[0] - value, deviation * deviation);
                loss += f64::from(0.5 * gap * gap / variance + libm::logf(deviation));
                self.deviation.gradient[span.from] +=
                    scale * (1.0 / deviation - gap * gap / (variance * deviation));
                cells[0] = -scale * gap / variance * (1.0 - value * value);
            }
        }
        (f64::from(scale) * loss, slope)
    }

    fn step(&mut self, time: u64) {
        let layers =
            self.encode.iter_mut().chain([&mut self.mean, &mut self.log_variance]).chain(&mut self.decode);
        layers.for_each(|layer| layer.step(&ADAM, time));
        self.deviation.step(&ADAM, time);
        self.deviation.value.data.iter_mut().for_each(|value| *value = value.clamp(0.01, 1.0));
    }

    /// Draws a stretch of a row from what the decoder says of it.
    fn drawn(&self, span: Span, row: &mut [f32], rng: &mut impl rand::Rng) {
        let cells = &mut row[span.from..][..span.count];
        if !span.choice {
            let spread = self.deviation.value.data[span.from] * draw(rng) as f32;
            cells[0] = (libm::tanhf(cells[0]) + spread).clamp(-1.0, 1.0);
            return;
        }
        softmax(cells);
        let mut left: f32 = rng.random();
        let place = cells.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        let place = place.unwrap_or(cells.len().saturating_sub(1));
        cells.iter_mut().enumerate().for_each(|(at, cell)| *cell = if at == place { 1.0 } else { 0.0 });
    }
}

/// The divergence of the latent distribution from the standard normal one, and the gradients by its mean and the logarithm of its
/// variance, to which the decoder adds `from`.
fn divergence(
    mean: &Matrix,
    log_variance: &Matrix,
    epsilon: &Matrix,
    from: &Matrix,
) -> (f64, (Matrix, Matrix)) {
    let count = mean.rows as f32;
    let (mut loss, mut by_mean, mut by_log) = (0.0_f64, from.clone(), from.clone());
    for at in 0..mean.data.len() {
        let (mean, log) = (mean.data[at], log_variance.data[at]);
        let variance = libm::expf(log);
        loss -= f64::from(0.5 * (1.0 + log - mean * mean - variance));
        by_mean.data[at] += mean / count;
        by_log.data[at] =
            from.data[at] * epsilon.data[at] * 0.5 * variance.sqrt() - 0.5 * (1.0 - variance) / count;
    }
    (loss / f64::from(count), (by_mean, by_log))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::synthesize::dense::layers::check::{agrees, noise as some};
    use crate::model::synthesize::samples::{close_to, table};

    const SMALL: Settings = Settings { epochs: 2, batch: 50, width: 32, latent: 8, seed: 3 };

    fn watch() -> Watch<'static, String> {
        Watch { alive: &|| Ok(()), told: &|_, _| Ok(()) }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let columns = table(12);
        let encoder = Encoder::fit(&columns);
        let x = encoder.encode(&columns, 1);
        let mut network = Network::new(&encoder, SMALL);
        network.deviation.value.data.fill(0.7);
        let epsilon = some(12, SMALL.latent, 2);
        let start = network.clone();
        network.learn(&x, &epsilon);
        let loss = |change: &dyn Fn(&mut Network)| {
            let mut moved = start.clone();
            change(&mut moved);
            moved.learn(&x, &epsilon)
        };
        for at in [0, 7, 100] {
            agrees("first layer", network.encode[0].weights.gradient[at], |step| {
                loss(&|moved| moved.encode[0].weights.value.data[at] += step)
            });
            agrees("log variance", network.log_variance.weights.gradient[at], |step| {
                loss(&|moved| moved.log_variance.weights.value.data[at] += step)
            });
            agrees("decoder", network.decode[1].weights.gradient[at], |step| {
                loss(&|moved| moved.decode[1].weights.value.data[at] += step)
            });
        }
        agrees("mean", network.mean.bias.gradient[3], |step| {
            loss(&|moved| moved.mean.bias.value.data[3] += step)
        });
        agrees("deviation", network.deviation.gradient[0], |step| {
            loss(&|moved| moved.deviation.value.data[0] += step)
        });
    }

    #[test]
    fn learns_shares() {
        let real = table(200);
        let settings = Settings { epochs: 60, batch: 50, width: 24, ..SMALL };
        let losses = std::sync::Mutex::new(Vec::new());
        let told = |_: usize, values: &[(&'static str, f64)]| -> Result<(), String> {
            losses.lock().unwrap().push(values[0].1);
            Ok(())
        };
        let fitted = fit(&real, settings, &Watch { alive: &|| Ok(()), told: &told }).unwrap();
        let losses = losses.into_inner().unwrap();
        assert!(losses.len() == 60 && losses[59] < losses[0], "{losses:?}");
        let made = fitted.sample(500, 1, &[]).unwrap();
        close_to(&real, &made, 0.3);
        let fixed = fitted.sample(50, 1, &[(1, Given::Level(1))]).unwrap();
        assert_eq!(fixed[1], Column::Levels { codes: vec![1; 50], count: 2 });
        assert_eq!(fitted.sample(1, 1, &[(0, Given::Number(1.0))]), Err(Unable::Number { column: 0 }));
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
        for rows in [1, 2] {
            assert_eq!(
                rows_of(&fit(&table(rows), settings, &watch()).unwrap().sample(5, 1, &[]).unwrap()),
                5
            );
        }
    }

    fn rows_of(columns: &[Column]) -> usize {
        columns[0].rows()
    }
}
