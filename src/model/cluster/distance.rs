//! Squared Euclidean distances, in loops that the compiler turns into vector instructions.
//!
//! Knows rows and centres as slices; knows nothing of labels or clusters. Every sum runs over a
//! fixed number of lanes, so that its bits don't depend on the machine's vector width.

/// Values that are treated side by side.
pub(super) const LANES: usize = 4;

/// Squared distance of two rows of equal length, which must be a multiple of [`LANES`].
#[inline(always)]
pub(super) fn squared(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        add_squares(&mut lanes, a, b);
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

#[inline(always)]
fn add_squares(lanes: &mut [f64; LANES], a: &[f64; LANES], b: &[f64; LANES]) {
    for lane in 0..LANES {
        let difference = a[lane] - b[lane];
        lanes[lane] += difference * difference;
    }
}

/// Centres laid out so that the distances of one row to [`LANES`] of them are found side by side:
/// group by group, feature by feature, one value of each centre in the group.
pub(super) struct Panel {
    groups: Vec<[f64; LANES]>,
    features: usize,
}

/// The nearest centre of a row and how far the second nearest is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Nearest {
    /// The nearest centre; the first one among equals.
    pub center: u32,
    /// Its squared distance.
    pub first: f64,
    /// The squared distance of the second nearest; infinite where there is one centre only.
    pub second: f64,
}

impl Panel {
    /// Lays out centres, each a slice of at least `features` values.
    ///
    /// The last group is filled up with centres at infinity, which are nearest to nothing.
    pub fn new<'a>(features: usize, centers: impl ExactSizeIterator<Item = &'a [f64]>) -> Self {
        let groups = centers.len().div_ceil(LANES);
        let mut panel = Self { groups: vec![[f64::INFINITY; LANES]; groups * features], features };
        for (at, center) in centers.enumerate() {
            let group = &mut panel.groups[at / LANES * features..][..features];
            for (values, value) in group.iter_mut().zip(center) {
                values[at % LANES] = *value;
            }
        }
        panel
    }

    /// The squared distances of a row to all centres, [`LANES`] at a time.
    #[inline(always)]
    pub fn distances<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = [f64; LANES]> + 'a {
        self.groups.chunks_exact(self.features).map(move |group| {
            let mut lanes = [0.0; LANES];
            for (value, centers) in row.iter().zip(group) {
                add_squares(&mut lanes, &[*value; LANES], centers);
            }
            lanes
        })
    }

    /// The two nearest centres of a row.
    #[inline(always)]
    pub fn nearest(&self, row: &[f64]) -> Nearest {
        let mut nearest = Nearest { center: 0, first: f64::INFINITY, second: f64::INFINITY };
        let mut center = 0;
        for lanes in self.distances(row) {
            for distance in lanes {
                nearest = nearest.with(center, distance);
                center += 1;
            }
        }
        nearest
    }
}

impl Nearest {
    /// The two nearest once one more centre is known, written so that it needs no branch.
    #[inline(always)]
    fn with(self, center: u32, distance: f64) -> Self {
        let nearer = distance < self.first;
        let loser = if nearer { self.first } else { distance };
        Self {
            center: if nearer { center } else { self.center },
            first: if nearer { distance } else { self.first },
            second: if loser < self.second { loser } else { self.second },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Nearest, Panel, squared};

    #[test]
    fn squared_distance_by_hand() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(squared(&a, &b), 1.0 + 4.0 + 9.0 + 16.0 + 16.0);
        assert_eq!(squared(&a, &a), 0.0);
    }

    #[test]
    fn nearest_two_centers_and_the_first_among_equals() {
        let centers = [[0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [3.0, 4.0], [9.0, 9.0]];
        let panel = Panel::new(2, centers.iter().map(<[f64; 2]>::as_slice));
        assert_eq!(panel.nearest(&[0.0, 0.0]), Nearest { center: 0, first: 0.0, second: 1.0 });
        assert_eq!(panel.nearest(&[3.0, 4.0]), Nearest { center: 1, first: 0.0, second: 0.0 });
        assert_eq!(panel.nearest(&[9.0, 9.0]), Nearest { center: 4, first: 0.0, second: 61.0 });
    }

    #[test]
    fn one_center_has_no_second() {
        let panel = Panel::new(1, [[2.0].as_slice()].into_iter());
        assert_eq!(panel.nearest(&[0.0]), Nearest { center: 0, first: 4.0, second: f64::INFINITY });
    }
}
