//! Ranking by a number.

/// Positions of `values` from best to worst; equal values keep their order, NaN comes last.
pub fn order(values: &[f64], largest_first: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let worth = |at: usize| match values[at] {
        value if value.is_nan() => f64::NEG_INFINITY,
        value if largest_first => value,
        value => -value,
    };
    order.sort_by(|a, b| worth(*b).total_cmp(&worth(*a)));
    order
}

/// Points from best to worst, and the front that each is on.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// Positions of the points, the best first.
    pub order: Vec<usize>,
    /// The front of each point among those of its tier, from 1.
    pub fronts: Vec<usize>,
}

/// Ranks points by what is to be small: those of a higher tier first, then by front, then by the first loss;
/// equal points keep their order, and those with a NaN come last.
pub fn board(tiers: &[usize], losses: &[Vec<f64>]) -> Board {
    let mut fronts = vec![0; losses.len()];
    let mut kinds = tiers.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    for tier in kinds {
        let own: Vec<_> = (0..losses.len()).filter(|at| tiers[*at] == tier).collect();
        let found = self::fronts(&own.iter().map(|at| losses[*at].clone()).collect::<Vec<_>>());
        own.into_iter().zip(found).for_each(|(at, front)| fronts[at] = front);
    }
    let lacks = |at: usize| losses[at].iter().any(|loss| loss.is_nan());
    let mut order: Vec<_> = (0..losses.len()).collect();
    order.sort_by(|a, b| {
        let key = |at: usize| (lacks(at), usize::MAX - tiers[at], fronts[at]);
        let first = |at: usize| losses[at].first().copied().unwrap_or(0.0);
        key(*a).cmp(&key(*b)).then(first(*a).total_cmp(&first(*b)))
    });
    Board { order, fronts }
}

/// The front that each point is on, from 1: those on the first are beaten by no other one, those on the second
/// by points of the first alone, and so on (Deb et al. 2002). A point beats another that has nowhere a smaller
/// loss and somewhere a larger one. Points with a NaN are on a front behind all others. O(n² · losses) a front.
pub fn fronts(losses: &[Vec<f64>]) -> Vec<usize> {
    let lacks = |at: &usize| losses[*at].iter().any(|loss| loss.is_nan());
    let mut fronts = vec![0; losses.len()];
    let mut left: Vec<usize> = (0..losses.len()).filter(|at| !lacks(at)).collect();
    // One loss needs no comparison of all with all.
    if losses.iter().all(|point| point.len() == 1) {
        left.sort_by(|a, b| losses[*a][0].total_cmp(&losses[*b][0]));
        let mut front = 0;
        for (place, at) in left.iter().enumerate() {
            front += usize::from(place == 0 || losses[left[place - 1]][0] < losses[*at][0]);
            fronts[*at] = front;
        }
        left.clear();
    }
    let mut front = fronts.iter().max().copied().unwrap_or(0);
    while !left.is_empty() {
        front += 1;
        let beaten = |at: &usize| left.iter().any(|other| beats(&losses[*other], &losses[*at]));
        let (rest, first): (Vec<_>, Vec<_>) = left.iter().copied().partition(beaten);
        first.into_iter().for_each(|at| fronts[at] = front);
        left = rest;
    }
    (0..losses.len()).filter(lacks).for_each(|at| fronts[at] = front + 1);
    fronts
}

fn beats(one: &[f64], other: &[f64]) -> bool {
    one.iter().zip(other).all(|(a, b)| a <= b) && one.iter().zip(other).any(|(a, b)| a < b)
}

#[cfg(test)]
mod tests {
    use super::{board, fronts, order};

    #[test]
    fn a_board_goes_by_tier_then_by_front() {
        let of = |losses: &[f64]| losses.iter().map(|loss| vec![*loss]).collect::<Vec<_>>();
        assert_eq!(board(&[0; 4], &of(&[2.0, 1.0, f64::NAN, 1.0])).order, [1, 3, 0, 2]);
        assert_eq!(board(&[0, 1, 2, 1], &of(&[0.0, 5.0, f64::NAN, 4.0])).order, [3, 1, 0, 2]);
        let two = [vec![5.0, 5.0], vec![3.0, 1.0], vec![1.0, 3.0]];
        let board = board(&[0; 3], &two);
        assert_eq!((board.order, board.fronts), (vec![2, 1, 0], vec![2, 1, 1]));
    }

    #[test]
    fn fronts_are_peeled_off_one_by_one() {
        let losses =
            [[1.0, 4.0], [4.0, 1.0], [2.0, 2.0], [2.0, 3.0], [5.0, 5.0], [f64::NAN, 0.0], [2.0, 2.0]];
        let losses: Vec<_> = losses.iter().map(|point| point.to_vec()).collect();
        assert_eq!(fronts(&losses), [1, 1, 1, 2, 3, 4, 1]);
        assert!(fronts(&[]).is_empty());
        assert_eq!(fronts(&[vec![f64::NAN]]), [1]);
        assert_eq!(fronts(&[vec![2.0], vec![1.0], vec![2.0], vec![f64::NAN]]), [2, 1, 2, 3]);
    }

    #[test]
    fn best_comes_first_and_ties_keep_their_order() {
        assert_eq!(order(&[1.0, 3.0, f64::NAN, 3.0], true), [1, 3, 0, 2]);
        assert_eq!(order(&[1.0, 3.0, f64::NAN, 0.5], false), [3, 0, 1, 2]);
        assert!(order(&[], true).is_empty());
    }
}
