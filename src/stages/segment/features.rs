//! Features of customers: which columns are used, and the points that they become.
//!
//! Knows the columns of a table of customers; knows nothing of segments.

use anyhow::Result;
use arrow::array::{Array, RecordBatch};
use arrow::compute::{partition, sort_to_indices, take_record_batch};
use arrow::util::display::array_value_to_string;

use crate::data::{Table, columns};
use crate::diagnostic::{grouped, plural};
use crate::model::cluster::{Error, LARGEST, Points, Preparation, Reason, Scale};
use crate::stage::{Failure, Outcome};

/// Column that names a customer.
pub const CUSTOMER: &str = "customer_id";

/// Columns that the outputs have beside the features.
const TAKEN: [&str; 2] = ["segment", "customers"];

/// Features used where none are named and the table has them.
const USUAL: [&str; 8] = [
    "recency_days",
    "frequency",
    "monetary",
    "mean_amount",
    "tenure_days",
    "mean_gap_days",
    "std_gap_days",
    "local_share",
];

/// How alike an unknown name and a column must be (Jaro-Winkler) to be offered instead.
const ALIKE: f64 = 0.75;

/// The columns that customers are segmented by.
pub(super) struct Features {
    names: Vec<String>,
    values: Vec<Vec<f64>>,
}

impl Features {
    /// The named columns, or where none are named the usual ones that exist.
    ///
    /// # Errors
    /// When a named column isn't there or isn't numeric, or no usual one is there.
    pub fn read(rows: &RecordBatch, wanted: &[String]) -> Result<Self> {
        let names = chosen(rows, wanted)?;
        let values = names.iter().map(|name| columns::float_vec(rows, name)).collect::<Result<_>>()?;
        Ok(Self { names, values })
    }

    /// How the features are made comparable.
    pub fn preparation(&self, scale: Scale) -> Preparation {
        Preparation::fit(self.iter(), scale)
    }

    /// The points that they become.
    ///
    /// # Errors
    /// When all features were dropped.
    pub fn points(&self, preparation: &Preparation) -> Result<Points> {
        if preparation.features.is_empty() {
            let message = "there is nothing to segment by: every feature has one value only";
            let hint = "name columns in `features` that differ between customers";
            return Err(Failure::new(message).hint(hint).at("features").into());
        }
        let column = |name: &str| self.iter().find(|(other, _)| *other == name);
        Ok(preparation
            .apply(|name| column(name).map(|(_, values)| values.to_vec()).ok_or(Error::NoFeatures))?)
    }

    /// Adds what was left out or made up.
    pub fn warn(&self, mut outcome: Outcome, preparation: &Preparation) -> Outcome {
        for dropped in &preparation.dropped {
            let there = self
                .iter()
                .any(|(name, values)| name == dropped.name && values.iter().any(|value| !value.is_nan()));
            let why = match dropped.reason {
                Reason::Constant => "is the same for all customers",
                Reason::Missing if there => "is too large to compute with for all customers",
                Reason::Missing => "has no values",
            };
            outcome = outcome.warn_at("features", format!("`{}` {why} and was left out", dropped.name));
        }
        let kept = |name: &str| preparation.dropped.iter().all(|dropped| dropped.name != name);
        for (name, values) in self.iter().filter(|(name, _)| kept(name)) {
            let beyond = values.iter().filter(|value| value.abs() > LARGEST).count();
            if beyond > 0 {
                let customers = plural(beyond, "customer");
                let message =
                    format!("`{name}` is too large to compute with for {customers}, which counts as missing");
                outcome = outcome.warn_at("features", message);
            }
        }
        for feature in &preparation.features {
            let (name, missing, of) = (&feature.name, feature.missing, self.customers());
            if 2 * missing > of {
                let (missing, of) = (grouped(missing), plural(of, "customer"));
                let message = format!("`{name}` is missing for {missing} of {of}; its median stands in");
                outcome = outcome.warn_at("features", message);
            }
        }
        outcome
    }

    fn customers(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.names.iter().map(String::as_str).zip(self.values.iter().map(Vec::as_slice))
    }
}

/// The table's rows sorted by customer.
///
/// # Errors
/// When there are none, or a customer is missing or has several rows.
pub fn by_customer(table: &Table) -> Result<RecordBatch> {
    let batch = table.to_batch()?;
    if batch.num_rows() == 0 {
        return Err(Failure::new("there are no customers to segment").at("input").into());
    }
    let customers = columns::column(&batch, CUSTOMER)?;
    if customers.null_count() > 0 {
        return Err(Failure::new(format!("some rows have no `{CUSTOMER}`")).at("input").into());
    }
    let rows = take_record_batch(&batch, &sort_to_indices(customers, None, None)?)?;
    let customers = columns::column(&rows, CUSTOMER)?.clone();
    let runs = partition(std::slice::from_ref(&customers))?.ranges();
    if let Some(run) = runs.iter().find(|run| run.len() > 1) {
        let customer = array_value_to_string(&customers, run.start)?;
        let failure = Failure::new(format!("customer `{customer}` has {} rows", run.len()));
        return Err(failure.hint("a features table has one row for each customer").at("input").into());
    }
    Ok(rows)
}

/// The names of the features to use, all of them numeric columns.
fn chosen(rows: &RecordBatch, wanted: &[String]) -> Result<Vec<String>> {
    for (at, name) in wanted.iter().enumerate() {
        check_number(rows, name).map_err(|failure| failure.at(format!("features.{at}")))?;
    }
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let usual = USUAL.iter().filter(|name| check_number(rows, name).is_ok());
    let usual: Vec<String> = usual.map(|name| (*name).to_owned()).collect();
    if usual.is_empty() {
        let hint = format!("name columns in `features`; there are {}", columns::names(rows.schema_ref()));
        return Err(Failure::new("the table has none of the usual features")
            .hint(hint)
            .at("features")
            .into());
    }
    Ok(usual)
}

/// Checks that a column exists, holds numbers and can stand beside the other outputs.
///
/// # Errors
/// When it doesn't.
pub fn check_number(rows: &RecordBatch, name: &str) -> Result<(), Failure> {
    let Ok(field) = rows.schema_ref().field_with_name(name) else {
        return Err(Failure::new(format!("there is no column `{name}`")).hint(instead(rows, name)));
    };
    if name == CUSTOMER {
        return Err(Failure::new(format!("`{name}` names customers and is no feature")));
    }
    if TAKEN.contains(&name) {
        let failure =
            Failure::new(format!("`{name}` can't be a feature: the output has a column of that name"));
        return Err(failure.hint("rename the column"));
    }
    if columns::floats(&rows.slice(0, 0), name).is_err() {
        let what = columns::type_name(field.data_type());
        return Err(Failure::new(format!("`{name}` is {what}, not a number")));
    }
    Ok(())
}

/// Advice for a column that doesn't exist.
fn instead(rows: &RecordBatch, name: &str) -> String {
    let schema = rows.schema_ref();
    let others = schema.fields().iter().map(|field| field.name());
    let best = others
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    match best {
        Some((alike, other)) if alike >= ALIKE => format!("did you mean `{other}`?"),
        _ => format!("there are {}", columns::names(schema)),
    }
}
