//! What a retailer knows to look for, as checks on the columns of a table of purchases.
//!
//! Knows the names of columns and the schema; knows nothing of rows.

use anyhow::Result;
use arrow::datatypes::Schema;
use regex::Regex;

use super::check::{Test, is_number, is_text};
use super::demand::{Habit, Retail};
use crate::data::expression::Bound;
use crate::diagnostic::Failure;

/// What products for tests are called.
const TESTS: &str = r"(?i)\b(test|dummy|demo)|^(test|tst)[0-9]*$";

/// A check that a habit comes to: the column that it is about, if it is one, and the test.
pub type Made = (Option<String>, Test);

/// The checks that a habit comes to.
///
/// # Errors
/// The name of a column that it needs and that isn't there.
pub fn checks(habit: Habit, columns: &Retail, schema: &Schema) -> Result<Vec<Made>, String> {
    let there = |name: &str| schema.index_of(name).is_ok();
    let need = |name: &String| if there(name) { Ok(name.clone()) } else { Err(name.clone()) };
    // How many there are; what they come to where nobody counts.
    let size = || if there(&columns.quantity) { Ok(columns.quantity.clone()) } else { need(&columns.amount) };
    let made = match habit {
        Habit::ZeroPrices => {
            let price = need(&columns.price)?;
            let text = format!("{} != 0", name(&price));
            vec![(Some(price), holds(&text, schema, ("a price of zero", "a price of zero")))]
        }
        Habit::Signs => {
            let price = need(&columns.price)?;
            let mut parts = vec![format!("{} >= 0", name(&price))];
            if there(&columns.quantity) && there(&columns.amount) {
                let (quantity, amount) = (name(&columns.quantity), name(&columns.amount));
                parts.push(format!("not ({quantity} > 0 and {amount} < 0)"));
                parts.push(format!("not ({quantity} < 0 and {amount} > 0)"));
            }
            let what = if parts.len() > 1 {
                "a price below zero, or another sign in the quantity than in the amount"
            } else {
                "a price below zero"
            };
            vec![(None, holds(&parts.join(" and "), schema, (what, what)))]
        }
        Habit::Cancellations => {
            let (order, size) = (need(&columns.order)?, size()?);
            let is_text = schema.field_with_name(&order).is_ok_and(|field| is_text(field.data_type()));
            let prefix = columns.cancelled.replace('\'', "''");
            let cancelled = if is_text {
                format!("starts_with({}, '{prefix}')", name(&order))
            } else {
                "false".to_owned()
            };
            let text = format!("{cancelled} = ({} < 0)", name(&size));
            let [one, many] = ["is", "are"].map(|are| {
                format!("`{size}` below zero without being cancelled, or {are} cancelled without it")
            });
            vec![(None, holds(&text, schema, (&one, &many)))]
        }
        Habit::TestProducts => {
            let mut found: Vec<Made> = Vec::new();
            let tests = Regex::new(TESTS).ok();
            for column in [&columns.product, &columns.description] {
                let at = schema.index_of(column).ok();
                let at = at.filter(|at| is_text(schema.field(*at).data_type()));
                if let Some((at, regex)) = at.zip(tests.clone()) {
                    found.push((Some(column.clone()), Test::Pattern { at, regex, wanted: false }));
                }
            }
            if found.is_empty() {
                need(&columns.product)?;
            }
            found
        }
        Habit::Returns => {
            let (customer, size) = (need(&columns.customer)?, size()?);
            let mut keys = vec![schema.index_of(&customer).unwrap_or_default()];
            keys.extend(schema.index_of(&columns.product).ok());
            let at = schema.index_of(&size).unwrap_or_default();
            if !is_number(schema.field(at).data_type()) {
                return Err(size);
            }
            vec![(Some(size), Test::Returns(at, keys))]
        }
    };
    // What doesn't go together is about no single column.
    let unfit = |(column, test): Made| (column.filter(|_| !matches!(test, Test::Absent(_))), test);
    Ok(made.into_iter().map(unfit).collect())
}

/// A column as an expression writes it.
fn name(column: &str) -> String {
    if column.contains('"') { format!("`{column}`") } else { format!("\"{column}\"") }
}

/// A test by an expression of our own; one that doesn't go with the types of the columns holds nowhere.
fn holds(text: &str, schema: &Schema, what: (&str, &str)) -> Test {
    match Bound::new(text, schema) {
        Ok(bound) => Test::Holds { bound, one: format!("has {}", what.0), many: format!("have {}", what.1) },
        Err(wrong) => Test::Absent(format!("the columns of `retail` don't go together: {}", wrong.message)),
    }
}

/// That a habit needs a column which isn't there.
pub fn absent(habit: Habit, column: &str, schema: &Schema) -> String {
    let known = schema.fields().iter().map(|field| field.name().as_str());
    let advice = Failure::unknown("", column, known).hint.unwrap_or_default();
    format!("`{}` needs it, or another one that `retail` of the stage names; {advice}", habit.name())
}
