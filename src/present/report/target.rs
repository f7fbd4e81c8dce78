//! What is forecast: the name and the unit of the target, and how its amounts are said.
//!
//! Knows the column that names the target, no forecasts.

use super::{Inputs, Misfit, of};
use crate::present::chart::fan::Outlook;
use crate::present::chart::read;
use crate::present::format::{Unit, words};

/// The target of a forecast that doesn't name it.
const REVENUE: &str = "revenue";

/// Words in the names of columns that hold money.
const MONEY: [&str; 8] = ["revenue", "monetary", "amount", "spend", "sales", "turnover", "profit", "margin"];

/// What a forecast is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The column of the series.
    pub column: String,
    /// What its values count.
    pub unit: Unit,
}

impl Target {
    /// The target that the tables of a forecast name, revenue where none does.
    ///
    /// # Errors
    /// When a column has no text form.
    pub fn of(inputs: &Inputs, money: &Unit) -> Result<Self, Misfit> {
        let tables =
            [("forecast", &inputs.forecast), ("scores", &inputs.scores), ("backtest", &inputs.backtest)];
        for (name, table) in tables {
            let named = table.as_ref().map(read::target).transpose().map_err(of(name))?;
            if let Some(column) = named.flatten() {
                return Ok(Self::named(&column, money));
            }
        }
        Ok(Self::named(REVENUE, money))
    }

    /// The target of that column.
    pub fn named(column: &str, money: &Unit) -> Self {
        let is_money = MONEY.iter().any(|word| column.contains(word));
        let unit = if is_money { money.clone() } else { Unit::Number };
        Self { column: column.to_owned(), unit }
    }

    /// Whether the same one counts anew every week, so that weeks can't be added up.
    fn recurs(&self) -> bool {
        self.column == "customers"
    }

    /// The heading of the section.
    pub fn heading(&self) -> &'static str {
        match self.column.as_str() {
            REVENUE => "Revenue to expect",
            "orders" => "Orders to expect",
            "customers" => "Customers to expect",
            _ => "What to expect",
        }
    }

    /// The heading of errors as a share of it.
    pub fn share_heading(&self) -> &'static str {
        match self.column.as_str() {
            REVENUE => "Of revenue (WAPE)",
            "orders" => "Of orders (WAPE)",
            "customers" => "Of customers (WAPE)",
            _ => "Of the total (WAPE)",
        }
    }

    /// Its name in a sentence.
    pub fn words(&self) -> String {
        words(&self.column)
    }

    /// What is counted over several weeks: `revenue`, `customers a week`.
    pub fn over_weeks(&self) -> String {
        if self.recurs() { format!("{} a week", self.words()) } else { self.words() }
    }

    /// An outlook as it is told: a sum over the weeks, or their mean where they can't be added up.
    pub fn told(&self, outlook: Outlook) -> Outlook {
        if !self.recurs() {
            return outlook;
        }
        let weeks = outlook.steps.max(1) as f64;
        Outlook {
            before: outlook.before.map(|sum| sum / weeks),
            year_ago: outlook.year_ago.map(|sum| sum / weeks),
            mean: outlook.mean / weeks,
            lower: outlook.lower / weeks,
            upper: outlook.upper / weeks,
            ..outlook
        }
    }

    /// An amount where what it counts has been said.
    pub fn short(&self, value: f64) -> String {
        self.unit.short(value)
    }

    /// An amount with what it counts.
    pub fn full(&self, value: f64) -> String {
        match self.unit {
            Unit::Number => format!("{} {}", self.short(value), self.over_weeks()),
            _ => self.short(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;
    use crate::present::report::example::{table, texts};

    fn euro() -> Unit {
        Unit::Money("€".to_owned())
    }

    fn target(column: &str) -> Target {
        Target::named(column, &euro())
    }

    #[test]
    fn only_money_has_the_currency_and_customers_are_no_sum() {
        assert_eq!(target("revenue").full(59_400.0), "€59.4k");
        assert_eq!(target("net_sales").full(59_400.0), "€59.4k");
        assert_eq!(target("orders").full(59_400.0), "59.4k orders");
        assert_eq!(target("customers").full(4_950.0), "4,950 customers a week");
        assert_eq!(target("units_sold").full(1_200.0), "1,200 units sold");
        let outlook = Outlook {
            steps: 12,
            before: Some(1_200.0),
            year_ago: None,
            mean: 2_400.0,
            lower: 600.0,
            upper: 3_600.0,
            own: true,
        };
        let told = target("customers").told(outlook);
        assert_eq!((told.before, told.mean, told.range()), (Some(100.0), 200.0, Some((50.0, 300.0))));
        assert_eq!(target("orders").told(outlook), outlook);
    }

    #[test]
    fn the_target_is_read_from_whatever_table_names_it() {
        let scores = |names: Vec<&str>| -> Option<Table> { Some(table(vec![("target", texts(names))])) };
        let of = |inputs: &Inputs| Target::of(inputs, &euro()).unwrap();
        assert_eq!(of(&Inputs::default()), target("revenue"));
        let named = Inputs { scores: scores(vec!["orders"]), ..Inputs::default() };
        assert_eq!(of(&named), Target { column: "orders".to_owned(), unit: Unit::Number });
        let empty =
            Inputs { forecast: scores(vec![]), backtest: scores(vec!["customers"]), ..Inputs::default() };
        assert_eq!(of(&empty).heading(), "Customers to expect");
    }
}
