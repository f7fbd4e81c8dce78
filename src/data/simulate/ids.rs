//! Customer ids: counted from 1, or random UUIDs; ranks follow the order of the ids.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, StringBuilder};
use arrow::datatypes::DataType;
use rand::Rng;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timeline::Alive;
use crate::model::random::Streams;

/// What customer ids look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ids {
    /// 1, 2, 3, ...
    #[default]
    Integer,
    /// Text such as `3f2b8c1e-0d4a-4f6b-9c7d-5e1a2b3c4d5e`.
    Uuid,
}

/// The ids of all customers, in order.
#[derive(Debug)]
pub enum Roster {
    /// Ids from 1 to the number of customers.
    Integers,
    /// UUIDs in order, each with the customer's number.
    Uuids(Vec<(u128, u32)>),
}

impl Roster {
    /// The ids of customers 0 to `customers - 1`; each UUID has a random stream of its own.
    ///
    /// # Errors
    /// When `alive` fails, which is asked every few milliseconds.
    pub fn new(ids: Ids, customers: u32, seed: u64, alive: Alive<'_>) -> Result<Self> {
        match ids {
            Ids::Integer => Ok(Self::Integers),
            Ids::Uuid => {
                let streams = Streams::new(seed, "simulated customer id");
                Ok(Self::Uuids(uuids(&streams, customers, alive)?))
            }
        }
    }

    /// The number of the customer whose id has that rank: what its random streams go by.
    pub fn entity(&self, rank: u32) -> u64 {
        match self {
            Self::Integers => rank.into(),
            Self::Uuids(uuids) => uuids.get(rank as usize).map_or(0, |(_, number)| (*number).into()),
        }
    }

    /// The type of the column of ids.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Integers => DataType::Int64,
            Self::Uuids(_) => DataType::Utf8,
        }
    }

    /// A column of ids.
    pub fn column(&self, ranks: impl Iterator<Item = u32>) -> ArrayRef {
        match self {
            Self::Integers => Arc::new(Int64Array::from_iter_values(ranks.map(|rank| i64::from(rank) + 1))),
            Self::Uuids(uuids) => {
                let mut texts = StringBuilder::with_capacity(ranks.size_hint().0, 36 * ranks.size_hint().0);
                for rank in ranks {
                    let text = text(uuids.get(rank as usize).map_or(0, |(uuid, _)| *uuid));
                    texts.append_value(std::str::from_utf8(&text).unwrap_or_default());
                }
                Arc::new(texts.finish())
            }
        }
    }
}

/// The UUIDs in order, each with its customer's number: first into parts by their leading bits, then
/// each part by itself, so that it can be interrupted.
fn uuids(streams: &Streams, customers: u32, alive: Alive<'_>) -> Result<Vec<(u128, u32)>> {
    const TOGETHER: u32 = 1 << 16;
    const BITS: u32 = 10;
    let part = |uuid: u128| (uuid >> (128 - BITS)) as usize;
    let mut parts: Vec<Vec<(u128, u32)>> = vec![Vec::new(); 1 << BITS];
    let mut from = 0;
    while from < customers {
        alive()?;
        let to = customers.min(from.saturating_add(TOGETHER));
        let made: Vec<_> = (from..to).into_par_iter().map(|number| (uuid(streams, number), number)).collect();
        made.into_iter().for_each(|one| parts[part(one.0)].push(one));
        from = to;
    }
    parts.par_iter_mut().try_for_each(|part| {
        alive()?;
        part.sort_unstable();
        anyhow::Ok(())
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// A random UUID (RFC 9562, version 4).
fn uuid(streams: &Streams, customer: u32) -> u128 {
    let mut rng = streams.of(customer.into());
    let random = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
    let version = 0x4 << 76;
    let variant = 0x2 << 62;
    random & !(0xf << 76) & !(0x3 << 62) | version | variant
}

/// Hexadecimal digits in groups of 8, 4, 4, 4 and 12.
fn text(uuid: u128) -> [u8; 36] {
    let mut text = [b'-'; 36];
    let places = (0..36).filter(|place| ![8, 13, 18, 23].contains(place));
    for (nibble, place) in places.enumerate() {
        text[place] = b"0123456789abcdef"[(uuid >> (124 - 4 * nibble)) as usize & 0xf];
    }
    text
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    #[test]
    fn uuids_are_sorted_distinct_and_well_formed() {
        let roster = Roster::new(Ids::Uuid, 500, 7, &|| Ok(())).unwrap();
        let column = roster.column(0..500);
        let texts: Vec<&str> = column.as_string::<i32>().iter().flatten().collect();
        assert!(texts.windows(2).all(|pair| pair[0] < pair[1]));
        for text in texts {
            assert_eq!((text.len(), &text[14..15]), (36, "4"));
            assert!("89ab".contains(&text[19..20]));
            assert!([8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-'));
        }
        let mut entities: Vec<_> = (0..500).map(|rank| roster.entity(rank)).collect();
        entities.sort_unstable();
        assert_eq!(entities, (0..500).collect::<Vec<u64>>());
    }

    #[test]
    fn uuids_print_as_text() {
        let uuid = 0x3f2b_8c1e_0d4a_4f6b_9c7d_5e1a_2b3c_4d5e;
        assert_eq!(&text(uuid), b"3f2b8c1e-0d4a-4f6b-9c7d-5e1a2b3c4d5e");
        assert_eq!(&text(0), b"00000000-0000-0000-0000-000000000000");
    }
}
