//! Values that rules compare with: bounds of numbers and dates, and values of any type.
//!
//! Knows how TOML spells them; knows nothing of rules or columns.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::value::{Datetime, Offset};

use crate::data::read::date;

/// The smallest or largest value of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Of numbers; a whole number is the same as one with `.0`.
    Number(f64),
    /// Of dates and timestamps.
    Date(Datetime),
}

impl Bound {
    /// Microseconds since 1970 of a date; a day alone stands for its first or, with `last`, its last.
    pub fn micros(self, last: bool) -> Option<i64> {
        let Self::Date(Datetime { date: Some(date), time, offset }) = self else { return None };
        let days = date::day_number(date.year.into(), date.month.into(), date.day.into())?;
        let Some(time) = time else {
            return Some((days + i64::from(last)) * 86_400_000_000 - i64::from(last));
        };
        let seconds =
            i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second.unwrap_or(0));
        let east = match offset {
            Some(Offset::Custom { minutes }) => i64::from(minutes) * 60,
            Some(Offset::Z) | None => 0,
        };
        let micros = i64::from(time.nanosecond.unwrap_or(0) / 1000);
        Some((days * 86_400 + seconds - east) * 1_000_000 + micros)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Date(date) => date.fmt(f),
        }
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            // What `toml::Table::try_from` makes of it becomes a date again in `stage::kind`.
            Self::Date(date) => date.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || serde::de::Error::custom("expected a number or a date such as 2023-01-31");
        match toml::Value::deserialize(deserializer)? {
            // Whole numbers that a rule compares with are far below 2^53.
            toml::Value::Integer(number) => Ok(Self::Number(number as f64)),
            toml::Value::Float(number) if number.is_finite() => Ok(Self::Number(number)),
            toml::Value::Datetime(date) if date.date.is_some() => Ok(Self::Date(date)),
            toml::Value::String(text) => {
                let date: Datetime = text.parse().map_err(|_| wrong())?;
                if date.date.is_some() { Ok(Self::Date(date)) } else { Err(wrong()) }
            }
            _ => Err(wrong()),
        }
    }
}

impl JsonSchema for Bound {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bound".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "number" }, { "type": "string", "format": "date-time" }] })
    }
}

/// A value that a column may have.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Text.
    Text(String),
    /// A number; a whole number is the same as one with `.0`.
    Number(f64),
    /// True or false.
    Flag(bool),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::Flag(flag) => flag.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self::Text(text)),
            // Whole numbers that a rule lists are far below 2^53.
            toml::Value::Integer(number) => Ok(Self::Number(number as f64)),
            toml::Value::Float(number) => Ok(Self::Number(number)),
            toml::Value::Boolean(flag) => Ok(Self::Flag(flag)),
            _ => Err(serde::de::Error::custom("expected text, a number, or true or false")),
        }
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "type": "string" }, { "type": "number" }, { "type": "boolean" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Result<Bound, toml::de::Error> {
        let table: toml::Table = toml::from_str(&format!("x = {text}")).unwrap();
        table.get("x").cloned().unwrap().try_into()
    }

    #[test]
    fn bounds_are_numbers_or_dates() {
        assert_eq!(bound("1").unwrap(), bound("1.0").unwrap());
        assert_eq!(bound("\"2023-01-31\"").unwrap(), bound("2023-01-31").unwrap());
        let micros = |text: &str, last| bound(text).unwrap().micros(last);
        let day = 86_400_000_000;
        assert_eq!(micros("1970-01-02", false), Some(day));
        assert_eq!(micros("1970-01-02", true), Some(2 * day - 1));
        assert_eq!(micros("1970-01-01T01:00:01.5+01:00", true), Some(1_500_000));
        assert_eq!(micros("1970-01-02T00:00:00", true), Some(day));
        for wrong in ["\"soon\"", "true", "nan", "10:00:00", "\"10:00:00\""] {
            let error = bound(wrong).unwrap_err();
            assert_eq!(error.message(), "expected a number or a date such as 2023-01-31", "{wrong}");
        }
    }
}
