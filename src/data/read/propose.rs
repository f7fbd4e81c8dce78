//! Which columns of a file seem to be customers, times, amounts, channels and categories.
//!
//! Goes by names first, then by what the columns hold. A proposal is for a person to check.

use super::inspect::Seen;
use crate::diagnostic::listing;

/// A column that seems to be one that stages look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The name that stages look for.
    pub ours: &'static str,
    /// The column of the file, or a product `A * B`.
    pub theirs: String,
    /// Why.
    pub reason: String,
}

const CUSTOMER: [&str; 22] = [
    "customerid",
    "customer",
    "custid",
    "customerno",
    "customernumber",
    "customerkey",
    "clientid",
    "client",
    "userid",
    "user",
    "memberid",
    "member",
    "shopperid",
    "shopper",
    "buyerid",
    "buyer",
    "accountid",
    "account",
    "kundennummer",
    "kundenid",
    "kunde",
    "householdkey",
];
const PERSON: [&str; 9] =
    ["customer", "cust", "client", "user", "member", "shopper", "buyer", "kunde", "household"];
const EVENT: [&str; 9] =
    ["order", "invoice", "txn", "transaction", "purchase", "sale", "bestell", "rechnung", "payment"];
const OTHER_DATE: [&str; 10] =
    ["birth", "dob", "deliver", "ship", "update", "modif", "expir", "due", "signup", "regist"];
const TOTAL: [&str; 16] = [
    "amount", "total", "revenue", "sales", "turnover", "spend", "spent", "payment", "net", "gross", "umsatz",
    "betrag", "summe", "value", "monetary", "paid",
];
const QUANTITY: [&str; 8] = ["quantity", "qty", "units", "pieces", "menge", "anzahl", "stück", "count"];
const PRICE: [&str; 6] = ["unitprice", "price", "preis", "unitcost", "priceeach", "rate"];
const CHANNEL: [&str; 9] =
    ["channel", "kanal", "device", "platform", "medium", "storetype", "ordertype", "touchpoint", "source"];
const CATEGORY: [&str; 10] = [
    "category",
    "kategorie",
    "department",
    "productgroup",
    "producttype",
    "warengruppe",
    "commodity",
    "productline",
    "genre",
    "family",
];
const ORDER: [&str; 20] = [
    "invoice",
    "invoiceno",
    "invoiceid",
    "invoicenumber",
    "invoicenr",
    "order",
    "orderno",
    "orderid",
    "ordernumber",
    "ordernr",
    "basketid",
    "basket",
    "receipt",
    "receiptid",
    "receiptno",
    "transactionid",
    "billno",
    "bestellnummer",
    "rechnungsnummer",
    "bonnummer",
];
const LOCAL: [&str; 4] = ["islocal", "local", "domestic", "isdomestic"];

/// Proposals in the order of the roles; a column has one role at most.
pub fn mapping(columns: &[Seen]) -> Vec<Proposal> {
    let mut proposals: Vec<Proposal> = Vec::new();
    for propose in [time, customer, amount, channel, category, local, order] {
        let free: Vec<&Seen> = columns
            .iter()
            .filter(|column| {
                !proposals.iter().any(|taken| taken.theirs.split(" * ").any(|name| name == column.name))
            })
            .collect();
        proposals.extend(propose(&free));
    }
    proposals.sort_by_key(|proposal| super::mapping::role(proposal.ours).map(|(at, _)| at));
    proposals
}

fn squeeze(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn has(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| name.contains(word))
}

fn is_number(column: &Seen) -> bool {
    matches!(column.kind, "integer" | "float")
}

fn proposal(ours: &'static str, column: &Seen, reason: impl Into<String>) -> Proposal {
    let reason = if column.name == ours { "it has that very name".to_owned() } else { reason.into() };
    Proposal { ours, theirs: column.name.clone(), reason }
}

/// The best column by a score; none when all score zero. The first of equals wins.
fn best<'a>(columns: &[&'a Seen], score: impl Fn(&Seen, &str) -> u32) -> Option<(&'a Seen, u32)> {
    let mut best: Option<(&Seen, u32)> = None;
    for column in columns {
        let points = score(column, &squeeze(&column.name));
        if points > 0 && best.is_none_or(|(_, top)| points > top) {
            best = Some((column, points));
        }
    }
    best
}

fn time(columns: &[&Seen]) -> Option<Proposal> {
    let (column, _) = best(columns, |column, name| {
        let other = has(name, &OTHER_DATE);
        match column.kind {
            _ if column.name == "txn_timestamp" => 9,
            "timestamp" if other => 1,
            "timestamp" if has(name, &EVENT) => 4,
            "timestamp" if has(name, &["date", "time", "datum"]) => 3,
            "timestamp" => 2,
            _ => 0,
        }
    })?;
    Some(proposal("txn_timestamp", column, format!("it holds dates{}", spellings(&column.dates))))
}

/// How dates are written, the most frequent way first: ` (yyyy-mm-dd and dd.mm.yyyy)`.
fn spellings(layouts: &[String]) -> String {
    const NAMED: usize = 3;
    // "1 other way" takes as much room as the way itself.
    let most = if layouts.len() == NAMED + 1 { NAMED + 1 } else { NAMED };
    let mut named: Vec<String> = layouts.iter().take(most).cloned().collect();
    if layouts.len() > most {
        named.push(format!("{} other ways", layouts.len() - most));
    }
    if named.is_empty() { String::new() } else { format!(" ({})", listing(&named, "and")) }
}

fn customer(columns: &[&Seen]) -> Option<Proposal> {
    let identifies =
        |column: &Seen| matches!(column.kind, "integer" | "text" | "category") && !column.fractions;
    let by_name = best(columns, |column, name| match () {
        () if column.name == "customer_id" => 9,
        () if !identifies(column) && column.kind != "float" => 0,
        () if CUSTOMER.contains(&name) && (name.ends_with("id") || name.ends_with("key")) => 6,
        () if CUSTOMER.contains(&name) => 5,
        () if has(name, &PERSON) && has(name, &["id", "no", "num", "key", "code"]) => 4,
        () if has(name, &["email", "mail"]) => 2,
        () => 0,
    });
    if let Some((column, points)) = by_name {
        let reason =
            if points == 2 { "an address identifies a customer" } else { "its name speaks of a customer" };
        return Some(proposal("customer_id", column, reason));
    }
    // An identifier comes again, but not as seldom as a channel or as regularly as a quantity.
    let (column, _) = best(columns, |column, name| {
        let event = has(name, &EVENT) || has(name, &QUANTITY) || has(name, &PRICE) || has(name, &TOTAL);
        u32::from(identifies(column) && !event && !column.unique && column.distinct > 20)
    })?;
    Some(proposal(
        "customer_id",
        column,
        "it is the first column whose values identify something and come again",
    ))
}

fn amount(columns: &[&Seen]) -> Option<Proposal> {
    let total = best(columns, |column, name| match () {
        () if column.name == "amount" => 9,
        () if !is_number(column) => 0,
        () if has(name, &QUANTITY) || has(name, &["id", "unit", "discount", "tax"]) => 0,
        () if has(name, &["total", "amount"]) => 4,
        () if has(name, &TOTAL) => 3,
        () => 0,
    });
    if let Some((column, _)) = total {
        return Some(proposal("amount", column, "its name speaks of money and it holds numbers"));
    }
    let numbers: Vec<&Seen> = columns.iter().copied().filter(|column| is_number(column)).collect();
    let quantity = best(&numbers, |_, name| u32::from(has(name, &QUANTITY)));
    let price = best(&numbers, |_, name| u32::from(has(name, &PRICE)));
    match (quantity, price) {
        (Some((quantity, _)), Some((price, _))) => {
            let theirs = format!("{} * {}", quantity.name, price.name);
            let reason = "no column holds a total, but there are a quantity and a price".to_owned();
            Some(Proposal { ours: "amount", theirs, reason })
        }
        (None, Some((price, _))) => Some(proposal("amount", price, "it is the only price")),
        _ => {
            let last: Vec<&Seen> = numbers.into_iter().rev().collect();
            let (column, _) = best(&last, |column, _| u32::from(column.fractions))?;
            Some(proposal("amount", column, "it is the last column of numbers with fractions"))
        }
    }
}

fn channel(columns: &[&Seen]) -> Option<Proposal> {
    few(columns, "channel", &CHANNEL)
}

fn category(columns: &[&Seen]) -> Option<Proposal> {
    few(columns, "category", &CATEGORY)
}

fn few(columns: &[&Seen], ours: &'static str, words: &[&str]) -> Option<Proposal> {
    let (column, _) = best(columns, |column, name| match () {
        () if column.name == ours => 9,
        () if !matches!(column.kind, "category" | "text") || column.unique => 0,
        () if name == words.first().copied().unwrap_or_default() => 3,
        () if words.contains(&name) => 2,
        () if column.kind == "category" && has(name, words) => 1,
        () => 0,
    })?;
    let values = if column.distinct == 1 { "value" } else { "values" };
    Some(proposal(ours, column, format!("its name says so, and it has {} {values}", column.distinct)))
}

fn local(columns: &[&Seen]) -> Option<Proposal> {
    let (column, _) = best(columns, |column, name| match () {
        () if column.name == "is_local" => 2,
        () => u32::from(column.kind == "boolean" && LOCAL.contains(&name)),
    })?;
    Some(proposal("is_local", column, "its name says so, and it holds true and false"))
}

fn order(columns: &[&Seen]) -> Option<Proposal> {
    let identifies =
        |column: &Seen| matches!(column.kind, "integer" | "text" | "category") && !column.fractions;
    let (column, _) = best(columns, |column, name| match () {
        () if column.name == "order_id" => 9,
        () if !identifies(column) => 0,
        () if ORDER.contains(&name) => 2,
        () if has(name, &EVENT)
            && ["id", "no", "nr", "number", "nummer"].iter().any(|end| name.ends_with(end)) =>
        {
            1
        }
        () => 0,
    })?;
    Some(proposal("order_id", column, "its name speaks of an order, whose rows are one purchase"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, kind: &'static str, distinct: usize) -> Seen {
        Seen {
            name: name.to_owned(),
            kind,
            samples: Vec::new(),
            missing: 0.0,
            distinct,
            dates: Vec::new(),
            unique: false,
            fractions: kind == "float",
        }
    }

    fn pairs(columns: &[Seen]) -> Vec<(&'static str, String)> {
        mapping(columns).into_iter().map(|proposal| (proposal.ours, proposal.theirs)).collect()
    }

    #[test]
    fn the_online_retail_columns() {
        let columns = [
            seen("InvoiceNo", "text", 500),
            seen("StockCode", "text", 900),
            seen("Description", "text", 900),
            seen("Quantity", "integer", 30),
            seen("InvoiceDate", "timestamp", 500),
            seen("UnitPrice", "float", 80),
            seen("CustomerID", "integer", 300),
            seen("Country", "category", 8),
        ];
        let expected = [
            ("customer_id", "CustomerID"),
            ("txn_timestamp", "InvoiceDate"),
            ("amount", "Quantity * UnitPrice"),
            ("order_id", "InvoiceNo"),
        ];
        assert_eq!(pairs(&columns), expected.map(|(ours, theirs)| (ours, theirs.to_owned())));
    }

    #[test]
    fn many_ways_to_write_dates_are_counted() {
        let ways = |count: usize| {
            let all: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec();
            spellings(&all[..count])
        };
        assert_eq!([0, 1, 3].map(ways), ["", " (a)", " (a, b and c)"]);
        assert_eq!(
            [4, 5, 6].map(ways),
            [" (a, b, c and d)", " (a, b, c and 2 other ways)", " (a, b, c and 3 other ways)"]
        );
    }

    #[test]
    fn columns_without_names_go_by_what_they_hold() {
        let columns = [
            seen("column_1", "text", 2357),
            seen("column_2", "integer", 2357),
            seen("column_3", "timestamp", 500),
            seen("column_4", "integer", 12),
            seen("column_5", "float", 900),
        ];
        let expected = [("customer_id", "column_1"), ("txn_timestamp", "column_3"), ("amount", "column_5")];
        assert_eq!(pairs(&columns), expected.map(|(ours, theirs)| (ours, theirs.to_owned())));
    }

    #[test]
    fn own_names_and_other_dates() {
        let columns = [
            seen("birth_date", "timestamp", 100),
            seen("order_ts", "timestamp", 100),
            seen("customer_id", "text", 90),
            seen("order_total", "float", 100),
            seen("tax", "float", 100),
            seen("sales_channel", "category", 3),
            seen("product_category", "category", 8),
            seen("is_local", "boolean", 2),
        ];
        let expected = [
            ("customer_id", "customer_id"),
            ("txn_timestamp", "order_ts"),
            ("amount", "order_total"),
            ("channel", "sales_channel"),
            ("category", "product_category"),
            ("is_local", "is_local"),
        ];
        assert_eq!(pairs(&columns), expected.map(|(ours, theirs)| (ours, theirs.to_owned())));
    }
}
