//! The rules for a table of transactions when nobody gives any.
//!
//! Knows what stages need of such a table; how a rule is held against it is up to `check`.

use arrow::datatypes::Schema;

use super::check::is_time;
use super::rule::{ColumnType, Coverage, Rule, Severity, Volume};

/// Rules for a table of transactions with that schema. A column that they need and that isn't there
/// is looked for nevertheless; only how evenly days are covered needs one that holds dates.
pub fn defaults(schema: &Schema) -> Vec<Rule> {
    let of = |column: &str| Rule { column: Some(column.to_owned()), ..Rule::default() };
    let needed = |column: &str, ty| Rule { missing: Some(0.0), ty, ..of(column) };
    let mut rules = vec![
        Rule { rows: Some(Volume { min: Some(1), max: None }), ..Rule::default() },
        needed("customer_id", None),
        needed("txn_timestamp", Some(ColumnType::Timestamp)),
        needed("amount", Some(ColumnType::Number)),
        Rule { duplicates: Some(0.0), severity: Severity::Warn, ..Rule::default() },
    ];
    if schema.field_with_name("txn_timestamp").is_ok_and(|field| is_time(field.data_type())) {
        let coverage = Some(Coverage { min_weekly_rows: Some(1), ..Coverage::default() });
        rules.push(Rule { coverage, severity: Severity::Warn, ..of("txn_timestamp") });
    }
    rules
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, TimeUnit};

    use super::*;

    /// The columns that the rules are about, in order; `*` where it is the whole table.
    fn subjects(time: DataType) -> Vec<String> {
        let rules = defaults(&Schema::new(vec![Field::new("txn_timestamp", time, true)]));
        assert!(rules.iter().enumerate().all(|(at, rule)| rule.mistakes(at).is_empty()));
        rules.into_iter().map(|rule| rule.column.unwrap_or_else(|| "*".to_owned())).collect()
    }

    #[test]
    fn needed_columns_are_looked_for_whether_they_are_there_or_not() {
        let always = ["*", "customer_id", "txn_timestamp", "amount", "*"];
        assert_eq!(subjects(DataType::Utf8), always);
        let dated = subjects(DataType::Timestamp(TimeUnit::Microsecond, None));
        assert_eq!(dated, [&always[..], &["txn_timestamp"]].concat());
    }
}
