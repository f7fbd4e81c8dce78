//! Points drawn from the space that the axes span: at random, from a Sobol sequence, or where a strategy wants
//! them. The n-th draw depends on the seed and on n, and on nothing else.

use std::collections::BTreeSet;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::cells::{is_excluded, is_there, points, put};
use super::{Axes, Point, Strategy};

/// A degree of freedom, as a strategy sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Freedom {
    /// One of so many choices without an order; its coordinate is the number of the choice.
    Choices(u64),
    /// One of so many steps; its coordinate is the number of the step.
    Steps(u64),
    /// Any place between 0 and 1.
    Interval,
}

/// The points that are known before anything has run.
pub fn first(sweep: &mut Axes) -> Vec<Point> {
    let most = sweep.most;
    match sweep.strategy {
        Strategy::Grid => points(sweep),
        Strategy::Random | Strategy::Sobol => drawn(sweep, most),
        Strategy::Tpe { startup, .. } => drawn(sweep, most.min(startup)),
        Strategy::Halving { .. } => {
            let mut found = candidates(sweep, most);
            let budget = sweep.budget;
            for point in &mut found {
                budget.into_iter().for_each(|axis| point[axis] = Some(0));
            }
            found
        }
    }
}

/// What successive halving starts with: the grid where it isn't too large, else points drawn at random.
fn candidates(sweep: &mut Axes, most: usize) -> Vec<Point> {
    let sizes = sweep.slots.iter().map(|slot| sweep.axes[slot[0]].size());
    let size = sizes.into_iter().try_fold(1_u64, |all, size| all.checked_mul(size?));
    if size.is_some_and(|size| size <= most as u64) {
        for axis in sweep.slots.concat() {
            sweep.axes[axis].fill();
        }
        return points(sweep);
    }
    drawn(sweep, most)
}

/// So many different points; fewer where there are no more.
fn drawn(sweep: &mut Axes, count: usize) -> Vec<Point> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let tries = 100 * count as u64 + 1000;
    for number in 0..tries {
        if found.len() >= count {
            break;
        }
        let Some(point) = sweep.draw(number) else { continue };
        if seen.insert(point.clone()) {
            found.push(point);
        }
    }
    found
}

impl Axes {
    /// The n-th point that is drawn; none where it is one that is left out.
    pub fn draw(&mut self, number: u64) -> Option<Point> {
        let parts = match self.strategy {
            Strategy::Sobol => sobol(self.seed, number, self.slots.len()),
            _ => random(self.seed, number, self.slots.len()),
        };
        self.place(&|axes, axis, slot| axes.axes[axis].at_part(parts[slot]))
    }

    /// The degrees of freedom.
    pub fn freedoms(&self) -> Vec<Freedom> {
        let freedom = |slot: &Vec<usize>| {
            let axis = &self.axes[slot[0]];
            match axis.size() {
                Some(size) if slot.len() == 1 && axis.is_ordered() => Freedom::Steps(size),
                Some(size) => Freedom::Choices(size),
                None => Freedom::Interval,
            }
        };
        self.slots.iter().map(freedom).collect()
    }

    /// The coordinates of a point, a degree of freedom each; none where it isn't there.
    pub fn coordinates(&self, point: &Point) -> Vec<Option<f64>> {
        let of = |slot: &Vec<usize>| Some(self.axes[slot[0]].coordinate(point[slot[0]]?));
        self.slots.iter().map(of).collect()
    }

    /// The point at coordinates; none where it is one that is left out.
    pub fn at(&mut self, coordinates: &[f64]) -> Option<Point> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of a value")]
        self.place(&|axes, axis, slot| match axes.axes[axis].size() {
            Some(size) => {
                axes.axes[axis].nth((coordinates[slot].max(0.0).round() as u64).min(size - 1) as usize)
            }
            None => axes.axes[axis].at_part(coordinates[slot]),
        })
    }

    fn place(&mut self, position: &dyn Fn(&mut Self, usize, usize) -> usize) -> Option<Point> {
        let mut point = vec![None; self.axes.len()];
        for slot in self.order.clone() {
            if !is_there(self, slot, &point) {
                continue;
            }
            for axis in self.slots[slot].clone() {
                point[axis] = Some(position(self, axis, slot));
            }
            if self.slots[slot].len() > 1 {
                let at = point[self.slots[slot][0]];
                put(self, slot, at, &mut point);
            }
        }
        (!is_excluded(self, &point)).then_some(point)
    }
}

/// Numbers between 0 and 1 from a stream of their own.
fn random(seed: u64, number: u64, count: usize) -> Vec<f64> {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(number);
    // 53 bits are what a double holds.
    (0..count).map(|_| (stream.next_u64() >> 11) as f64 / (1_u64 << 53) as f64).collect()
}

/// A point of the Sobol sequence, scrambled as by Owen (1998) with the seed.
#[expect(clippy::cast_possible_truncation, reason = "a seed is mixed, and draws are fewer than 2^16")]
fn sobol(seed: u64, number: u64, count: usize) -> Vec<f64> {
    const DIMENSIONS: u32 = 256;
    let mixed = (seed ^ (seed >> 32)) as u32;
    let part = |at: u32| {
        let seed = mixed.wrapping_add(at / DIMENSIONS);
        f64::from(sobol_burley::sample(number as u32 & 0xffff, at % DIMENSIONS, seed))
    };
    (0..count as u32).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::{random, sobol};

    #[test]
    fn draws_depend_on_seed_and_number_alone() {
        for draw in [random, sobol] {
            assert_eq!(draw(7, 3, 4), draw(7, 3, 4));
            assert_eq!(draw(7, 3, 4)[..2], draw(7, 3, 2)[..]);
            assert_ne!(draw(7, 3, 4), draw(8, 3, 4));
            assert_ne!(draw(7, 3, 4), draw(7, 4, 4));
        }
    }

    /// The first 2^m points of a scrambled Sobol sequence lie one in each of 2^m equal stretches, whatever the
    /// seed (Owen 1998: a net stays a net).
    #[test]
    fn sobol_points_are_spread_evenly_in_every_dimension() {
        for seed in [0, 1, 20_260_101] {
            for dimension in 0..6 {
                let mut stretches: Vec<_> =
                    (0..16).map(|number| (sobol(seed, number, 6)[dimension] * 16.0) as usize).collect();
                stretches.sort_unstable();
                assert_eq!(stretches, (0..16).collect::<Vec<_>>());
            }
        }
    }
}
