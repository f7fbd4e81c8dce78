//! What a table may hold: a JSON Schema, read once into a small tree and held against a document.
//!
//! The schema comes from a parameter struct, so listing, checking and editor support can't drift
//! apart. Doesn't know stages: names in messages are handed in.

use serde_json::Value as Json;

/// What a value may be.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Anything.
    Any,
    /// `true` or `false`.
    Boolean,
    /// An integer within bounds.
    Integer(Bounds),
    /// A number (an integer will do) within bounds.
    Number(Bounds),
    /// Text.
    Text,
    /// One of some words.
    Choice(Vec<String>),
    /// Text that is a time span: `90s`.
    Span,
    /// Text that is a size: `4GB`.
    Size,
    /// A date without a time.
    Date,
    /// A date, with a time or without.
    Moment,
    /// A reference to another stage's output.
    Reference,
    /// A list of at least so many items.
    List(Box<Shape>, usize),
    /// A table with any keys.
    Map(Box<Shape>),
    /// A table with known keys.
    Struct(Vec<Field>),
    /// Any of several.
    OneOf(Vec<Shape>),
}

/// A known key of a table.
#[derive(Clone, Debug)]
pub struct Field {
    /// The key.
    pub name: String,
    /// What its value may be.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it isn't given; null when nothing.
    pub default: Json,
    /// What it means.
    pub doc: String,
}

/// Inclusive bounds, either of which may be open.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The smallest value allowed.
    pub min: Option<f64>,
    /// Whether `min` itself is not allowed.
    pub above_min: bool,
    /// The largest value allowed.
    pub max: Option<f64>,
    /// Whether `max` itself is not allowed.
    pub below_max: bool,
}

impl Shape {
    /// Reads a JSON Schema as `schemars` makes it with inlined subschemas.
    pub fn of(schema: &Json) -> Self {
        if let Some(options) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Json::as_array) {
            return Self::of_options(options);
        }
        if let Some(words) = schema.get("enum").and_then(Json::as_array) {
            return Self::Choice(words.iter().filter_map(Json::as_str).map(str::to_owned).collect());
        }
        match type_of(schema) {
            Some("boolean") => Self::Boolean,
            Some("integer") => Self::Integer(Bounds::of(schema)),
            Some("number") => Self::Number(Bounds::of(schema)),
            Some("string") if schema.get("x-ref").is_some() => Self::Reference,
            Some("string") if is_format(schema, "date") => Self::Date,
            Some("string") if is_format(schema, "date-time") => Self::Moment,
            Some("string") if schema.get("x-span").is_some() => Self::Span,
            Some("string") if schema.get("x-size").is_some() => Self::Size,
            Some("string") => Self::Text,
            Some("array") => Self::of_list(schema),
            Some("object") => Self::of_object(schema),
            _ => Self::Any,
        }
    }

    fn of_options(options: &[Json]) -> Self {
        let options: Vec<_> = options.iter().filter(|option| type_of(option) != Some("null")).collect();
        let words: Vec<_> = options.iter().filter_map(|option| option.get("const")?.as_str()).collect();
        if !words.is_empty() && words.len() == options.len() {
            return Self::Choice(words.into_iter().map(str::to_owned).collect());
        }
        let mut shapes: Vec<_> = options.into_iter().map(Self::of).collect();
        if shapes.len() == 1 { shapes.remove(0) } else { Self::OneOf(shapes) }
    }

    fn of_list(schema: &Json) -> Self {
        let item = schema.get("items").map_or(Self::Any, Self::of);
        let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
        Self::List(Box::new(item), usize::try_from(least).unwrap_or(0))
    }

    fn of_object(schema: &Json) -> Self {
        match schema.get("properties").and_then(Json::as_object) {
            Some(properties) => {
                Self::Struct(properties.iter().map(|(name, schema)| Field::of(name, schema)).collect())
            }
            None => Self::Map(Box::new(schema.get("additionalProperties").map_or(Self::Any, Self::of))),
        }
    }

    /// The known keys, when it is a table that has them.
    pub fn fields(&self) -> &[Field] {
        match self {
            Self::Struct(fields) => fields,
            _ => &[],
        }
    }

    /// The known keys of the tables that it holds, directly or as items.
    pub fn inner(&self) -> Vec<&Field> {
        match self {
            Self::Struct(fields) => fields.iter().collect(),
            Self::List(item, _) | Self::Map(item) => item.inner(),
            Self::OneOf(shapes) => shapes.iter().flat_map(Self::inner).collect(),
            _ => Vec::new(),
        }
    }

    /// What is allowed, for messages: `an integer`, `` `a` or `b` ``.
    pub fn describe(&self) -> String {
        match self {
            Self::Any => "any value".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Integer(_) => "an integer".to_owned(),
            Self::Number(_) => "a number".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Choice(words) => crate::diagnostic::quoted(words.iter().map(String::as_str), "or"),
            Self::Span => "a time such as \"90s\"".to_owned(),
            Self::Size => "a size such as \"4GB\"".to_owned(),
            Self::Date => "a date such as 2025-12-28 (without quotes)".to_owned(),
            Self::Moment => "a date such as 2025-12-28 or 2025-12-28T18:30:00 (without quotes)".to_owned(),
            Self::Reference => "the name of a stage".to_owned(),
            Self::List(..) => "a list".to_owned(),
            Self::Map(_) | Self::Struct(_) => "a table".to_owned(),
            Self::OneOf(shapes) => {
                let options: Vec<_> = shapes.iter().map(Self::describe).collect();
                crate::diagnostic::listing(&options, "or")
            }
        }
    }
}

impl Field {
    /// The default as one would write it into a pipeline; none where there is none.
    pub fn spelled(&self) -> Option<String> {
        match (&self.shape, &self.default) {
            (_, Json::Null) => None,
            (Shape::Date, Json::String(date)) => Some(date.clone()),
            (_, default) => {
                let value = toml::Value::try_from(default).map(|value| value.to_string());
                Some(value.unwrap_or_else(|_| default.to_string()))
            }
        }
    }

    fn of(name: &str, schema: &Json) -> Self {
        Self {
            name: name.to_owned(),
            shape: Shape::of(schema),
            required: is_required(schema),
            default: schema.get("default").cloned().unwrap_or(Json::Null),
            doc: schema.get("description").and_then(Json::as_str).unwrap_or_default().to_owned(),
        }
    }
}

impl Bounds {
    fn of(schema: &Json) -> Self {
        let number = |key: &str| schema.get(key).and_then(Json::as_f64);
        let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
        Self {
            min: number("minimum").or(number("exclusiveMinimum")),
            above_min: schema.get("exclusiveMinimum").is_some(),
            max: number("maximum").or(number("exclusiveMaximum")).or(largest(format)),
            below_max: schema.get("exclusiveMaximum").is_some(),
        }
    }

    /// Whether a value lies within.
    pub fn hold(&self, value: f64) -> bool {
        let low = self.min.is_none_or(|min| if self.above_min { value > min } else { value >= min });
        let high = self.max.is_none_or(|max| if self.below_max { value < max } else { value <= max });
        low && high
    }

    /// `between 2 and 1000`, `at least 0`.
    pub fn describe(&self) -> String {
        let least =
            self.min.map(|min| format!("{} {min}", if self.above_min { "above" } else { "at least" }));
        let most = self.max.map(|max| format!("{} {max}", if self.below_max { "below" } else { "at most" }));
        match (self.min, self.max, least, most) {
            (Some(min), Some(max), ..) if !self.above_min && !self.below_max => {
                format!("between {min} and {max}")
            }
            (_, _, Some(least), Some(most)) => format!("{least} and {most}"),
            (_, _, least, most) => least.or(most).unwrap_or_else(|| "any number".to_owned()),
        }
    }
}

fn is_format(schema: &Json, format: &str) -> bool {
    schema.get("format").and_then(Json::as_str) == Some(format)
}

/// The largest value of an unsigned integer of some formats.
pub(super) fn largest(format: &str) -> Option<f64> {
    match format {
        "uint8" => Some(f64::from(u8::MAX)),
        "uint16" => Some(f64::from(u16::MAX)),
        "uint32" => Some(f64::from(u32::MAX)),
        _ => None,
    }
}

/// Whether a key with this schema must be given.
pub(super) fn is_required(schema: &Json) -> bool {
    schema.get("x-required") == Some(&Json::Bool(true)) && !is_optional(schema)
}

/// Whether the schema also allows nothing at all.
fn is_optional(schema: &Json) -> bool {
    schema.get("type").and_then(Json::as_array).is_some_and(|words| words.iter().any(|word| word == "null"))
}

/// The type word, `null` beside another one left out.
fn type_of(schema: &Json) -> Option<&str> {
    match schema.get("type")? {
        Json::String(word) => Some(word),
        Json::Array(words) => words.iter().filter_map(Json::as_str).find(|word| *word != "null"),
        _ => None,
    }
}
