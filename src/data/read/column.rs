//! A column to be made: where it comes from, what it holds, and how its open values are read.
//!
//! Knows nothing of files; whatever gives text can fill a column.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use super::date::{Layout, Order};
use super::number::Decimal;
use super::options::Type;
use super::votes::Votes;
use super::zone::Zone;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers that identify somebody: no separators, no zeros in front.
    Id,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Float,
    /// True or false.
    Boolean,
    /// Points in time.
    Timestamp,
    /// Text.
    Text,
    /// Text of few different values.
    Category,
}

impl Kind {
    /// The Arrow type that holds it.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Id | Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Text => DataType::Utf8,
            Self::Category => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        }
    }

    /// The word for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id | Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::Text => "text",
            Self::Category => "category",
        }
    }

    /// What a value isn't when it can't be read.
    pub fn misfit(self) -> &'static str {
        match self {
            Self::Id | Self::Integer => "not a whole number",
            Self::Float => "not a number",
            Self::Boolean => "not true or false",
            Self::Timestamp => "not a date",
            Self::Text | Self::Category => "not text",
        }
    }
}

impl From<Type> for Kind {
    fn from(ty: Type) -> Self {
        match ty {
            Type::Integer => Self::Integer,
            Type::Float => Self::Float,
            Type::Boolean => Self::Boolean,
            Type::Timestamp => Self::Timestamp,
            Type::Text => Self::Text,
            Type::Category => Self::Category,
        }
    }
}

/// Where the values of a column come from, by position in the first file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A column of the file.
    Of(usize),
    /// The product of columns of the file.
    Product(Vec<usize>),
}

/// A column to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the result.
    pub name: String,
    /// Where its values come from.
    pub origin: Origin,
    /// What it holds.
    pub kind: Kind,
    /// Whether the user or custem's own column names settled what it holds; else the values may still.
    pub firm: bool,
    /// Whether a missing value makes a bad row.
    pub required: bool,
    /// How `1,234` is read.
    pub decimal: Decimal,
    /// How `01/02/2023` is read.
    pub order: Order,
    /// The format of its dates, where the user gives one.
    pub format: Option<String>,
    /// Whose clock its times are told by, where that isn't UTC.
    pub zone: Option<Zone>,
    /// The only currency that its numbers may be written with, where the user gives one.
    pub currency: Option<String>,
}

impl Column {
    /// A column whose values have not been looked at.
    pub fn new(name: impl Into<String>, origin: Origin, kind: Kind) -> Self {
        Self {
            name: name.into(),
            origin,
            kind,
            firm: false,
            required: false,
            decimal: Decimal::Dot,
            order: Order::Day,
            format: None,
            zone: None,
            currency: None,
        }
    }
}

/// The schema of a table of such columns.
pub fn schema(columns: &[Column]) -> SchemaRef {
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new(&column.name, column.kind.data_type(), true)).collect();
    Schema::new(fields).into()
}

/// What has been seen while a column was filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Values that aren't missing.
    pub values: u64,
    /// Values that are.
    pub missing: u64,
    /// Values that don't fit the kind.
    pub misfits: u64,
    /// Misfits that are numbers nevertheless.
    pub numbers: u64,
    /// Misfits with digits among other things: codes rather than mistakes.
    pub coded: u64,
    /// Whole numbers with zeros in front.
    pub zero_led: u64,
    /// Evidence for a decimal dot (first) or comma (second).
    pub decimal: Votes,
    /// Evidence for the day (first) or the month (second) in front.
    pub order: Votes,
    /// The first value that left either open.
    pub open: Option<String>,
    /// How many values were written in which way.
    #[serde(with = "listed")]
    pub layouts: BTreeMap<Layout, u64>,
    /// How many numbers were written with which currency.
    pub currencies: BTreeMap<String, u64>,
    /// Times that say which instant is meant: with a zone, or counted from 1970.
    pub zoned: u64,
    /// Whether a category had too many different values.
    pub crowded: bool,
}

/// A map as a list of pairs: its keys are no text.
mod listed {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Layout;

    pub fn serialize<S: Serializer>(map: &BTreeMap<Layout, u64>, to: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Layout, u64>, D::Error> {
        Ok(Vec::<(Layout, u64)>::deserialize(from)?.into_iter().collect())
    }
}

impl Tally {
    /// Adds what has been seen further down.
    pub fn merge(&mut self, other: Self) {
        self.values += other.values;
        self.missing += other.missing;
        self.misfits += other.misfits;
        self.numbers += other.numbers;
        self.coded += other.coded;
        self.zero_led += other.zero_led;
        self.decimal.merge(other.decimal);
        self.order.merge(other.order);
        self.open = self.open.take().or(other.open);
        for (layout, times) in other.layouts {
            *self.layouts.entry(layout).or_default() += times;
        }
        for (currency, times) in other.currencies {
            *self.currencies.entry(currency).or_default() += times;
        }
        self.zoned += other.zoned;
        self.crowded |= other.crowded;
    }
}
