//! Customer ids as dense numbers, in order of first sight. Does not know what a customer did.

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use hashbrown::HashMap;

use crate::data::columns;
use crate::data::partial::Ids;

/// Numbers of customers whose ids are integers or text.
pub enum Customers {
    Integers(HashMap<i64, u32>),
    Texts(HashMap<String, u32>),
}

impl Customers {
    /// An empty index for ids that are found under several types: integers when all are.
    pub fn for_types<'a>(mut types: impl Iterator<Item = &'a DataType>) -> Self {
        if types.all(DataType::is_integer) {
            Self::Integers(HashMap::new())
        } else {
            Self::Texts(HashMap::new())
        }
    }

    /// How many customers have been seen.
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(map) => map.len(),
            Self::Texts(map) => map.len(),
        }
    }

    /// All ids in the order of their numbers.
    pub fn ids(self) -> Ids {
        match self {
            Self::Integers(map) => Ids::Integers(in_order(map)),
            Self::Texts(map) => Ids::Texts(in_order(map)),
        }
    }

    /// The number of every row's customer; rows without an id have none.
    ///
    /// # Errors
    /// When the column doesn't exist or has no usable type.
    pub fn numbers(&mut self, batch: &RecordBatch, column: &str) -> Result<Vec<Option<u32>>> {
        Ok(match self {
            Self::Integers(map) => {
                let ids = columns::integers(batch, column)?;
                ids.iter().map(|id| id.map(|id| number_of_integer(map, id))).collect()
            }
            Self::Texts(map) => {
                let ids = columns::strings(batch, column)?;
                ids.iter().map(|id| id.map(|id| number_of_text(map, id))).collect()
            }
        })
    }
}

fn in_order<T>(map: HashMap<T, u32>) -> Vec<T> {
    let mut ids: Vec<_> = map.into_iter().collect();
    ids.sort_unstable_by_key(|(_, number)| *number);
    ids.into_iter().map(|(id, _)| id).collect()
}

fn number_of_integer(map: &mut HashMap<i64, u32>, id: i64) -> u32 {
    let next = count(map.len());
    *map.entry(id).or_insert(next)
}

fn number_of_text(map: &mut HashMap<String, u32>, id: &str) -> u32 {
    if let Some(number) = map.get(id) {
        return *number;
    }
    let next = count(map.len());
    map.insert(id.to_owned(), next);
    next
}

/// Ids beyond four thousand million would not fit into memory anyway.
fn count(customers: usize) -> u32 {
    u32::try_from(customers).unwrap_or(u32::MAX)
}
