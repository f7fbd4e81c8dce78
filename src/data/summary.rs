//! A table at a glance: of every column its gaps, how many different values it has, its ends, mean and usual value.
//!
//! One pass; memory is bounded by [`CROWD`] values a column. Knows nothing of how it is shown.

use anyhow::Result;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{can_cast_types, cast, max, max_string, min, min_string};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use hashbrown::HashMap;
use rayon::prelude::*;

use crate::data::{Table, columns, dates};

/// Different values that are told apart; beyond, there are just more.
pub const CROWD: usize = 10_000;
/// Different texts that are listed.
pub const FEW: usize = 100;

/// A column at a glance.
#[derive(Clone, Debug, PartialEq)]
pub struct Glance {
    /// Its name.
    pub name: String,
    /// Its type in words.
    pub ty: String,
    /// Values that aren't there; in numbers NaN too.
    pub missing: u64,
    /// Different values; none where there are more than [`CROWD`].
    pub distinct: Option<usize>,
    /// The smallest value.
    pub low: Option<String>,
    /// The mean of numbers.
    pub mean: Option<f64>,
    /// The largest value.
    pub high: Option<String>,
    /// The most frequent value (the first of equally frequent ones by its text) and its times, where values come again.
    pub most: Option<(String, u64)>,
    /// All different texts, sorted, where they are few: at most [`FEW`].
    pub texts: Option<Vec<String>>,
    /// The letters of the shortest and of the longest text.
    pub letters: Option<(u64, u64)>,
}

/// Looks at every column of a table.
///
/// # Errors
/// When the table can't be read.
pub fn glances(table: &Table) -> Result<Vec<Glance>> {
    let fields = table.schema().fields();
    let mut seen: Vec<Seen> = fields.iter().map(|field| Seen::of(field.data_type())).collect();
    for batch in table.batches()? {
        let batch = batch?;
        seen.par_iter_mut().zip(batch.columns()).try_for_each(|(seen, array)| seen.add(array))?;
    }
    Ok(fields.iter().zip(seen).map(|(field, seen)| seen.glance(field.name(), field.data_type())).collect())
}

/// What has been seen of a column.
struct Seen {
    kind: Kind,
    missing: u64,
    /// How often values come; none once there are too many.
    times: Option<HashMap<Box<str>, u64>>,
    numbers: Option<(f64, f64)>,
    moments: Option<(i64, i64)>,
    texts: Option<(String, String)>,
    letters: Option<(u64, u64)>,
    sum: f64,
    count: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Integer,
    Moment,
    Text,
    Other,
}

impl Seen {
    fn of(ty: &DataType) -> Self {
        let kind = match ty {
            ty if ty.is_integer() => Kind::Integer,
            ty if ty.is_numeric() => Kind::Float,
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Kind::Moment,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
                Kind::Text
            }
            _ => Kind::Other,
        };
        Self {
            kind,
            missing: 0,
            times: Some(HashMap::new()),
            numbers: None,
            moments: None,
            texts: None,
            letters: None,
            sum: 0.0,
            count: 0,
        }
    }

    fn add(&mut self, array: &ArrayRef) -> Result<()> {
        self.missing += array.null_count() as u64;
        match self.kind {
            Kind::Float => self.floats(array),
            Kind::Integer => self.integers(array),
            Kind::Moment => self.moments(array),
            Kind::Text if array.as_any_dictionary_opt().is_some() => self.keyed(array),
            Kind::Text | Kind::Other => self.texts(array),
        }
    }

    fn floats(&mut self, array: &ArrayRef) -> Result<()> {
        let values = cast(array, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        for value in values.iter().flatten() {
            if value.is_nan() {
                self.missing += 1;
                continue;
            }
            let (low, high) = self.numbers.unwrap_or((value, value));
            self.numbers = Some((low.min(value), high.max(value)));
            self.sum += value;
            self.count += 1;
            self.note(|| value.to_string());
        }
        Ok(())
    }

    fn integers(&mut self, array: &ArrayRef) -> Result<()> {
        let values = cast(array, &DataType::Int64)?;
        let values = values.as_primitive::<Int64Type>();
        self.ends(min(values).zip(max(values)));
        for value in values.iter().flatten() {
            // A mean for people: what is lost beyond 2^53 doesn't show.
            self.sum += value as f64;
            self.count += 1;
            self.note(|| value.to_string());
        }
        Ok(())
    }

    fn moments(&mut self, array: &ArrayRef) -> Result<()> {
        let values = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let values = values.as_primitive::<TimestampMicrosecondType>();
        self.ends(min(values).zip(max(values)));
        for value in values.iter().flatten() {
            self.note(|| value.to_string());
        }
        Ok(())
    }

    fn keyed(&mut self, array: &ArrayRef) -> Result<()> {
        let keyed = cast(array, &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))?;
        let keyed = keyed.as_dictionary::<Int32Type>();
        let names = keyed.values().as_string::<i32>();
        let mut times = vec![0_u64; names.len()];
        for key in keyed.keys().iter().flatten() {
            usize::try_from(key)
                .ok()
                .and_then(|key| times.get_mut(key))
                .into_iter()
                .for_each(|one| *one += 1);
        }
        for (name, times) in names.iter().zip(times).filter(|(_, times)| *times > 0) {
            let Some(name) = name else { continue };
            self.between(name, name);
            self.measure(name);
            self.count_text(name, times);
        }
        Ok(())
    }

    fn texts(&mut self, array: &ArrayRef) -> Result<()> {
        if !can_cast_types(array.data_type(), &DataType::Utf8) {
            self.times = None;
            return Ok(());
        }
        let texts = cast(array, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        if let Some((low, high)) = min_string(texts).zip(max_string(texts)) {
            self.between(low, high);
        }
        for text in texts.iter().flatten() {
            self.measure(text);
            self.count_text(text, 1);
        }
        Ok(())
    }

    fn ends(&mut self, ends: Option<(i64, i64)>) {
        let Some((low, high)) = ends else { return };
        let (least, most) = self.moments.unwrap_or((low, high));
        self.moments = Some((least.min(low), most.max(high)));
    }

    fn measure(&mut self, text: &str) {
        let letters = text.chars().count() as u64;
        let (least, most) = self.letters.unwrap_or((letters, letters));
        self.letters = Some((least.min(letters), most.max(letters)));
    }

    fn between(&mut self, low: &str, high: &str) {
        let (least, most) = self.texts.get_or_insert_with(|| (low.to_owned(), high.to_owned()));
        if low < least.as_str() {
            low.clone_into(least);
        }
        if high > most.as_str() {
            high.clone_into(most);
        }
    }

    fn note(&mut self, text: impl Fn() -> String) {
        if self.times.is_some() {
            self.count_text(&text(), 1);
        }
    }

    fn count_text(&mut self, text: &str, times: u64) {
        let Some(known) = &mut self.times else { return };
        let is_full = known.len() == CROWD;
        match known.get_mut(text) {
            Some(all) => *all += times,
            None if is_full => self.times = None,
            None => drop(known.insert(text.into(), times)),
        }
    }

    fn glance(self, name: &str, ty: &DataType) -> Glance {
        let (low, high) = match self.kind {
            Kind::Float => self.numbers.map(|(low, high)| (low.to_string(), high.to_string())),
            Kind::Integer => self.moments.map(|(low, high)| (low.to_string(), high.to_string())),
            Kind::Moment => self.moments.map(|(low, high)| (dates::show(low), dates::show(high))),
            Kind::Text | Kind::Other => self.texts,
        }
        .unzip();
        // In the order of their texts: the first of the most frequent is one and the same each time.
        let times = self.times.map(|times| {
            let mut times: Vec<(Box<str>, u64)> = times.into_iter().collect();
            times.sort();
            times
        });
        let most = times.as_ref().and_then(|times| {
            let usual = times.iter().rev().max_by_key(|(_, times)| times)?;
            let text = match (self.kind, usual.0.parse()) {
                (Kind::Moment, Ok(micros)) => dates::show(micros),
                _ => usual.0.to_string(),
            };
            (usual.1 > 1).then_some((text, usual.1))
        });
        let distinct = times.as_ref().map(Vec::len);
        let few = times.filter(|times| self.kind == Kind::Text && times.len() <= FEW);
        // Counts of rows are far below 2^53.
        let mean = (self.count > 0).then(|| self.sum / self.count as f64);
        Glance {
            name: name.to_owned(),
            ty: columns::type_name(ty),
            missing: self.missing,
            distinct,
            low,
            mean,
            high,
            most,
            texts: few.map(|times| times.into_iter().map(|(text, _)| text.into()).collect()),
            letters: self.letters,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn columns_at_a_glance() {
        let words: DictionaryArray<Int32Type> =
            vec![Some("web"), None, Some("app"), Some("web")].into_iter().collect();
        let columns: [(&str, ArrayRef); 4] = [
            ("n", Arc::new(Int64Array::from(vec![3, -1, 3, 5]))),
            ("x", Arc::new(Float64Array::from(vec![Some(1.5), Some(f64::NAN), None, Some(0.5)]))),
            ("t", Arc::new(TimestampMicrosecondArray::from(vec![Some(0), Some(86_400_000_000), None, None]))),
            ("c", Arc::new(words)),
        ];
        let seen = glances(&Table::from_batch(RecordBatch::try_from_iter(columns).unwrap())).unwrap();
        let told = |glance: &Glance| {
            let ends = format!(
                "{:?} {:?}",
                glance.low.as_deref().unwrap_or(""),
                glance.high.as_deref().unwrap_or("")
            );
            (glance.missing, glance.distinct, ends, glance.mean, glance.most.clone())
        };
        let (web, three) = (Some(("web".to_owned(), 2)), Some(("3".to_owned(), 2)));
        assert_eq!(told(&seen[0]), (0, Some(3), "\"-1\" \"5\"".to_owned(), Some(2.5), three));
        assert_eq!(told(&seen[1]), (2, Some(2), "\"0.5\" \"1.5\"".to_owned(), Some(1.0), None));
        assert_eq!(told(&seen[2]), (2, Some(2), "\"1970-01-01\" \"1970-01-02\"".to_owned(), None, None));
        assert_eq!(told(&seen[3]), (1, Some(2), "\"app\" \"web\"".to_owned(), None, web));
    }

    #[test]
    fn a_crowd_is_not_told_apart() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..20_000));
        let seen =
            glances(&Table::from_batch(RecordBatch::try_from_iter([("n", numbers)]).unwrap())).unwrap();
        assert_eq!((seen[0].distinct, &seen[0].most, seen[0].mean), (None, &None, Some(9_999.5)));
    }
}
