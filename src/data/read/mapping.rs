//! From the columns of a file to the columns of a table: names, order and what they must hold.
//!
//! Knows names only: what columns without a role hold is up to their values.

use super::column::{Column, Kind, Origin};
use super::options::{Keep, Options};
use crate::diagnostic::Failure;
use crate::diagnostic::quoted;

/// The columns that other stages look for, in the order in which they stand.
pub const ROLES: [(&str, Kind); 7] = [
    ("customer_id", Kind::Id),
    ("txn_timestamp", Kind::Timestamp),
    ("amount", Kind::Float),
    ("channel", Kind::Category),
    ("category", Kind::Category),
    ("is_local", Kind::Boolean),
    ("order_id", Kind::Text),
];

/// Columns to be made from columns of these names, and what the user should know about it.
///
/// Those with a role come first, then mapped and kept ones as they stand in the file.
///
/// # Errors
/// When an option names a column that isn't there, or nothing is left.
pub fn columns(
    names: &[String],
    options: &Options,
    file: &str,
) -> Result<(Vec<Column>, Vec<String>), Failure> {
    let mut columns = Vec::new();
    let mut notes = Vec::new();
    for (ours, theirs) in &options.columns {
        columns.push(Column::new(ours, origin(ours, theirs, names, file)?, Kind::Text));
    }
    for (at, name) in names.iter().enumerate() {
        let moved = columns.iter().any(|column| column.origin == Origin::Of(at));
        if moved || !kept(name, names, options)? {
            continue;
        }
        if options.columns.contains_key(name) {
            notes.push(format!(
                "column `{name}` of `{file}` was left out: `columns` makes `{name}` from another one"
            ));
        } else {
            columns.push(Column::new(name, Origin::Of(at), Kind::Text));
        }
    }
    if columns.is_empty() {
        return Err(Failure::new(format!("no column of `{file}` is mapped or kept")).at("keep"));
    }
    columns
        .sort_by_key(|column| (role(&column.name).map_or(ROLES.len(), |(at, _)| at), place(&column.origin)));
    settle_kinds(&mut columns, options)?;
    Ok((columns, notes))
}

/// A column's position among those with a role, and what it must hold.
pub fn role(name: &str) -> Option<(usize, Kind)> {
    ROLES.iter().enumerate().find(|(_, (role, _))| *role == name).map(|(at, (_, kind))| (at, *kind))
}

fn place(origin: &Origin) -> usize {
    match origin {
        Origin::Of(at) => *at,
        Origin::Product(factors) => factors.iter().copied().min().unwrap_or(0),
    }
}

/// A column of the file, or the product of several: `Quantity * UnitPrice`.
fn origin(ours: &str, theirs: &str, names: &[String], file: &str) -> Result<Origin, Failure> {
    let find = |name: &str| {
        names.iter().position(|other| other == name).ok_or_else(|| {
            let message = format!("`{file}` has no column `{name}`");
            Failure::unknown(message, name, names.iter().map(String::as_str)).at(format!("columns.{ours}"))
        })
    };
    if names.iter().any(|name| name == theirs) || !theirs.contains('*') {
        return find(theirs.trim()).map(Origin::Of);
    }
    if theirs.split('*').any(|factor| factor.trim().is_empty()) {
        let message = format!("`{theirs}` lacks a column beside its `*`");
        let hint = "write the product of columns as `Quantity * UnitPrice`";
        return Err(Failure::new(message).hint(hint).at(format!("columns.{ours}")));
    }
    Ok(Origin::Product(theirs.split('*').map(|factor| find(factor.trim())).collect::<Result<_, _>>()?))
}

/// Whether an unmapped column stays; a name of custem's own is as good as mapped.
fn kept(name: &str, names: &[String], options: &Options) -> Result<bool, Failure> {
    match &options.keep {
        Keep::All => Ok(true),
        Keep::None => Ok(role(name).is_some() && !options.columns.contains_key(name)),
        Keep::These(these) => {
            if let Some(unknown) = these.iter().find(|this| !names.contains(this)) {
                let message = format!("`keep` names `{unknown}`, which isn't in the file");
                return Err(Failure::unknown(message, unknown, names.iter().map(String::as_str)).at("keep"));
            }
            Ok(role(name).is_some() || these.iter().any(|this| this == name))
        }
    }
}

fn settle_kinds(columns: &mut [Column], options: &Options) -> Result<(), Failure> {
    let known: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let check = |name: &String, key: String| {
        if known.contains(name) {
            return Ok(());
        }
        let message = format!("there will be no column `{name}`");
        Err(Failure::unknown(message, name, known.iter().map(String::as_str)).at(key))
    };
    options.types.keys().try_for_each(|name| check(name, format!("types.{name}")))?;
    options.require.iter().try_for_each(|name| check(name, "require".to_owned()))?;
    options.date_formats.keys().try_for_each(|name| check(name, format!("date_formats.{name}")))?;
    for column in columns {
        let role = role(&column.name).map(|(_, kind)| kind);
        let product = matches!(column.origin, Origin::Product(_)).then_some(Kind::Float);
        column.format = options.date_formats.get(&column.name).cloned();
        let dated = column.format.is_some().then_some(Kind::Timestamp);
        let given = options.types.get(&column.name).map(|ty| Kind::from(*ty)).or(dated);
        (column.zone, column.currency) = (options.time_zone, options.currency.clone());
        if product.is_some() && given.is_some_and(|kind| kind != Kind::Float) {
            let message = format!("`{}` is a product, which can only be a float", column.name);
            return Err(Failure::new(message).at(format!("types.{}", column.name)));
        }
        if let Some(kind) = given.or(role).or(product) {
            column.kind = kind;
            // Ids are whole numbers or text: the values say which.
            column.firm = kind != Kind::Id;
        }
        column.required = options.require.contains(&column.name);
    }
    Ok(())
}

/// Where each column of the first file stands in another one.
///
/// # Errors
/// When one that is needed is missing there.
pub fn positions(
    first: &[String],
    needed: &[usize],
    names: &[String],
    file: &str,
    first_file: &str,
) -> Result<Vec<usize>, Failure> {
    let mut positions = Vec::with_capacity(first.len());
    for (at, name) in first.iter().enumerate() {
        let found = names.iter().position(|other| other == name);
        if found.is_none() && needed.contains(&at) {
            let message = format!("`{file}` has no column `{name}`, which `{first_file}` has");
            return Err(Failure::unknown(message, name, names.iter().map(String::as_str)).at("path"));
        }
        positions.push(found.unwrap_or(usize::MAX));
    }
    Ok(positions)
}

/// Columns of another file that the first one doesn't have.
pub fn surplus(first: &[String], names: &[String], file: &str, first_file: &str) -> Option<String> {
    let extra: Vec<&str> = names.iter().filter(|name| !first.contains(name)).map(String::as_str).collect();
    let (noun, were) = if extra.len() == 1 { ("column", "was") } else { ("columns", "were") };
    let why = format!("`{first_file}` has no such column");
    (!extra.is_empty()).then(|| {
        format!("{noun} {} of `{file}` {were} left out: {why}", quoted(extra.iter().copied(), "and"))
    })
}

/// The columns of the first file that some column is made of.
pub fn needed(columns: &[Column]) -> Vec<usize> {
    let mut needed: Vec<usize> = columns
        .iter()
        .flat_map(|column| match &column.origin {
            Origin::Of(at) => vec![*at],
            Origin::Product(factors) => factors.clone(),
        })
        .collect();
    needed.sort_unstable();
    needed.dedup();
    needed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::options::Type;
    use super::*;

    fn names() -> Vec<String> {
        ["InvoiceNo", "Quantity", "UnitPrice", "CustomerID", "channel"].map(str::to_owned).to_vec()
    }

    fn options(pairs: &[(&str, &str)]) -> Options {
        let columns: BTreeMap<_, _> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Options { columns, ..Options::default() }
    }

    fn made(options: &Options) -> Vec<String> {
        columns(&names(), options, "f.csv").unwrap().0.into_iter().map(|column| column.name).collect()
    }

    #[test]
    fn roles_come_first_and_the_rest_stays() {
        let mut options = options(&[
            ("amount", "Quantity * UnitPrice"),
            ("customer_id", "CustomerID"),
            ("order", "InvoiceNo"),
        ]);
        assert_eq!(made(&options), ["customer_id", "amount", "channel", "order", "Quantity", "UnitPrice"]);
        options.keep = Keep::None;
        assert_eq!(made(&options), ["customer_id", "amount", "channel", "order"]);
        options.keep = Keep::These(vec!["UnitPrice".into()]);
        assert_eq!(made(&options), ["customer_id", "amount", "channel", "order", "UnitPrice"]);
    }

    #[test]
    fn names_that_are_not_there_are_refused() {
        let problem = |options: &Options| columns(&names(), options, "f.csv").unwrap_err();
        assert_eq!(
            problem(&options(&[("customer_id", "CustomerId")])),
            Failure::new("`f.csv` has no column `CustomerId`")
                .hint("did you mean `CustomerID`?")
                .at("columns.customer_id")
        );
        assert_eq!(
            problem(&options(&[("amount", "Quantity*Price")])),
            Failure::new("`f.csv` has no column `Price`")
                .hint("there are `InvoiceNo`, `Quantity`, `UnitPrice`, `CustomerID` and `channel`")
                .at("columns.amount")
        );
        assert_eq!(
            problem(&options(&[("amount", "Quantity * ")])),
            Failure::new("`Quantity * ` lacks a column beside its `*`")
                .hint("write the product of columns as `Quantity * UnitPrice`")
                .at("columns.amount")
        );
        let mut wrong = options(&[]);
        wrong.types.insert("chanel".into(), Type::Text);
        assert_eq!(
            problem(&wrong),
            Failure::new("there will be no column `chanel`")
                .hint("did you mean `channel`?")
                .at("types.chanel")
        );
        let keep = Options { keep: Keep::These(vec!["unit_price".into()]), ..Options::default() };
        assert_eq!(
            problem(&keep),
            Failure::new("`keep` names `unit_price`, which isn't in the file")
                .hint("did you mean `UnitPrice`?")
                .at("keep")
        );
    }
}
