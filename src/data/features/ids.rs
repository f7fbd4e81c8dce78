//! Customers by a dense number: the first id that is seen gets 0, the next new one 1, and so on.
//!
//! Ids are integers or text. Does not know what is counted about a customer.

use std::hash::BuildHasher;
use std::sync::Arc;

use anyhow::{Result, bail};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::data::columns::type_name;

/// Stands where a row has no customer.
pub const NOBODY: u32 = u32::MAX;

/// All ids seen so far, each with its dense number.
#[derive(Debug)]
pub enum Index {
    /// Integer ids.
    Integers(Integers),
    /// Text ids.
    Texts(Texts),
}

impl Index {
    /// An empty index for a column of that type.
    ///
    /// # Errors
    /// When ids of that type can't be told apart exactly (numbers with decimals, dates, ...).
    pub fn new(name: &str, kind: &DataType) -> Result<Self> {
        match plain(kind) {
            kind if kind.is_integer() => Ok(Self::Integers(Integers::default())),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(Self::Texts(Texts::default())),
            other => bail!("column `{name}` is {}; ids are integers or text", type_name(other)),
        }
    }

    /// Number of customers.
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(ids) => ids.keys.len(),
            Self::Texts(ids) => ids.ends.len(),
        }
    }

    /// Puts the customer's number into every slot of `who` that isn't [`NOBODY`].
    ///
    /// The column has no null where `who` asks for a customer.
    ///
    /// # Errors
    /// When an integer doesn't fit 64 bits with sign.
    pub fn assign(&mut self, ids: &ArrayRef, who: &mut [u32]) -> Result<()> {
        match self {
            Self::Integers(index) => index.assign(&integers(ids)?, who),
            Self::Texts(index) if matches!(ids.data_type(), DataType::Dictionary(..)) => {
                index.assign_encoded(ids, who)?;
            }
            Self::Texts(index) => index.assign(cast(ids, &DataType::Utf8)?.as_string(), who),
        }
        Ok(())
    }

    /// The customers for which `keep` holds, in order of their ids.
    pub fn sorted(&self, keep: impl Fn(usize) -> bool) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len()).filter(|at| keep(*at)).map(dense).collect();
        match self {
            Self::Integers(ids) => order.sort_unstable_by_key(|at| ids.keys[*at as usize]),
            Self::Texts(ids) => order.sort_unstable_by(|a, b| ids.get(*a).cmp(ids.get(*b))),
        }
        order
    }

    /// The ids of customers as a column: 64-bit integers or text.
    ///
    /// # Errors
    /// When the text of all ids together exceeds two gigabytes.
    pub fn column(&self, customers: &[u32]) -> Result<ArrayRef> {
        match self {
            Self::Integers(ids) => {
                let keys = customers.iter().map(|at| ids.keys[*at as usize]);
                Ok(Arc::new(Int64Array::from_iter_values(keys)))
            }
            Self::Texts(ids) => ids.column(customers),
        }
    }
}

/// Integer ids.
#[derive(Debug, Default)]
pub struct Integers {
    numbers: HashMap<i64, u32>,
    keys: Vec<i64>,
}

impl Integers {
    fn assign(&mut self, ids: &Int64Array, who: &mut [u32]) {
        for (slot, id) in who.iter_mut().zip(ids.values()) {
            if *slot != NOBODY {
                *slot = self.number(*id);
            }
        }
    }

    fn number(&mut self, id: i64) -> u32 {
        match self.numbers.entry(id) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                self.keys.push(id);
                *entry.insert(dense(self.keys.len() - 1))
            }
        }
    }
}

/// Text ids, one behind the other in one buffer.
#[derive(Debug, Default)]
pub struct Texts {
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn assign(&mut self, ids: &StringArray, who: &mut [u32]) {
        for (row, slot) in who.iter_mut().enumerate() {
            if *slot != NOBODY {
                *slot = self.number(ids.value(row).as_bytes());
            }
        }
    }

    /// Looks each dictionary value up once, and only those that are asked for.
    fn assign_encoded(&mut self, ids: &ArrayRef, who: &mut [u32]) -> Result<()> {
        let (keys, values) = encoded(ids)?;
        let mut known = vec![NOBODY; values.len()];
        for (slot, key) in who.iter_mut().zip(keys) {
            if *slot != NOBODY {
                let at = key as usize;
                if known[at] == NOBODY {
                    known[at] = self.number(values.value(at).as_bytes());
                }
                *slot = known[at];
            }
        }
        Ok(())
    }

    fn number(&mut self, id: &[u8]) -> u32 {
        let Self { numbers, hasher, bytes, ends } = self;
        let hash = hasher.hash_one(id);
        if let Some(number) = numbers.find(hash, |number| text(bytes, ends, *number) == id) {
            return *number;
        }
        bytes.extend_from_slice(id);
        ends.push(bytes.len());
        let number = dense(ends.len() - 1);
        numbers.insert_unique(hash, number, |other| hasher.hash_one(text(bytes, ends, *other)));
        number
    }

    fn get(&self, number: u32) -> &[u8] {
        text(&self.bytes, &self.ends, number)
    }

    fn column(&self, customers: &[u32]) -> Result<ArrayRef> {
        let total: usize = customers.iter().map(|at| self.get(*at).len()).sum();
        if i32::try_from(total).is_err() {
            bail!("the ids of {} customers exceed two gigabytes of text", customers.len());
        }
        let texts = customers.iter().map(|at| String::from_utf8_lossy(self.get(*at)));
        Ok(Arc::new(StringArray::from_iter_values(texts)))
    }
}

/// The type behind a dictionary encoding.
pub fn plain(kind: &DataType) -> &DataType {
    match kind {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// Keys and values of a dictionary-encoded text column.
///
/// # Errors
/// When a key doesn't fit 32 bits.
pub fn encoded(column: &ArrayRef) -> Result<(Vec<i32>, StringArray)> {
    let Some(dictionary) = column.as_any_dictionary_opt() else {
        bail!("the column is {}, not dictionary-encoded", type_name(column.data_type()));
    };
    let keys = cast_with_options(dictionary.keys(), &DataType::Int32, &strict())?;
    let values = cast(dictionary.values(), &DataType::Utf8)?;
    Ok((keys.as_primitive::<Int32Type>().values().to_vec(), values.as_string().clone()))
}

fn integers(ids: &ArrayRef) -> Result<Int64Array> {
    Ok(cast_with_options(ids, &DataType::Int64, &strict())?.as_primitive::<Int64Type>().clone())
}

/// Casts that fail where a value doesn't fit, so that no id silently becomes null.
fn strict() -> CastOptions<'static> {
    CastOptions { safe: false, ..CastOptions::default() }
}

fn text<'a>(bytes: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let at = number as usize;
    let start = if at == 0 { 0 } else { ends[at - 1] };
    &bytes[start..ends[at]]
}

/// Customers are numbered with 32 bits; a table would need four billion of them to exceed that.
fn dense(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NOBODY)
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, LargeStringArray, UInt64Array};

    use super::*;

    fn numbers(index: &mut Index, ids: ArrayRef) -> Vec<u32> {
        let mut who = vec![0; ids.len()];
        index.assign(&ids, &mut who).unwrap();
        who
    }

    #[test]
    fn texts_of_every_encoding_share_one_index() {
        let plain: ArrayRef = Arc::new(StringArray::from(vec!["b", "a", "b", ""]));
        let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["a", "c"]));
        let coded: DictionaryArray<Int32Type> = vec!["c", "d", "b"].into_iter().collect();
        let mut index = Index::new("id", plain.data_type()).unwrap();
        assert_eq!(numbers(&mut index, plain), [0, 1, 0, 2]);
        assert_eq!(numbers(&mut index, large), [1, 3]);
        assert_eq!(numbers(&mut index, Arc::new(coded)), [3, 4, 0]);
        let order = index.sorted(|at| at != 3);
        let column = index.column(&order).unwrap();
        assert_eq!(column.as_string::<i32>(), &StringArray::from(vec!["", "a", "b", "d"]));
    }

    #[test]
    fn rows_without_a_customer_are_left_alone() {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(-7)]));
        let mut index = Index::new("id", ids.data_type()).unwrap();
        let mut who = [0, NOBODY, 0];
        index.assign(&ids, &mut who).unwrap();
        assert_eq!(who, [0, NOBODY, 1]);
        assert_eq!(index.sorted(|_| true), [1, 0]);
    }

    #[test]
    fn an_all_null_dictionary_has_no_customers() {
        let coded: DictionaryArray<Int32Type> = vec![None::<&str>, None].into_iter().collect();
        let mut index = Index::new("id", coded.data_type()).unwrap();
        let mut who = [NOBODY, NOBODY];
        index.assign(&(Arc::new(coded) as ArrayRef), &mut who).unwrap();
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn ids_that_would_be_bent_are_refused() {
        assert!(Index::new("id", &DataType::Float64).is_err());
        let huge: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        let mut index = Index::new("id", huge.data_type()).unwrap();
        assert!(index.assign(&huge, &mut [0]).is_err());
    }
}
