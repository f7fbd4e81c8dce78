//! The parts of rules that take more than one word: lengths, references, freshness, drift, fences, retail.
//!
//! Knows how TOML spells them; what they mean for a table is up to `check`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many letters texts have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Length {
    /// At least that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// At most that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// How values follow each other from row to row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// None is below the one before.
    Increasing,
    /// Every one is above the one before.
    StrictlyIncreasing,
    /// None is above the one before.
    Decreasing,
    /// Every one is below the one before.
    StrictlyDecreasing,
}

impl Direction {
    /// Whether a value may follow another, given how they compare.
    pub fn allows(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Increasing => order.is_ge(),
            Self::StrictlyIncreasing => order.is_gt(),
            Self::Decreasing => order.is_le(),
            Self::StrictlyDecreasing => order.is_lt(),
        }
    }

    /// What a value is that may not follow.
    pub fn broken(self) -> &'static str {
        match self {
            Self::Increasing => "below the one before",
            Self::StrictlyIncreasing => "not above the one before",
            Self::Decreasing => "above the one before",
            Self::StrictlyDecreasing => "not below the one before",
        }
    }
}

/// A column of another table, in which values must occur.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The name that `inputs` gives to the table.
    pub input: String,
    /// Its column; the rule's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

/// How far a distribution may lie from that of the table `earlier`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Drift {
    /// The largest population stability index, over tenths of the earlier numbers or over texts; above 0.1 is commonly
    /// called a moderate shift, above 0.25 a large one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub psi: Option<f64>,
    /// The largest distance of Kolmogorov and Smirnov between the distributions of numbers or times.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ks: Option<f64>,
}

/// Beyond which limits a value is far from the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fence {
    /// So many robust standard deviations (1.4826 times the median absolute deviation) from the median.
    RobustZ(f64),
    /// So many interquartile ranges beyond the quartiles.
    Iqr(f64),
}

/// What a retailer knows to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Habit {
    /// No more is taken back, of a product by a customer, than was bought.
    Returns,
    /// Rows are below zero where the order is cancelled (`C536379`), and only there.
    Cancellations,
    /// Nothing has a price of zero.
    ZeroPrices,
    /// No product is there for tests, by its code or description.
    TestProducts,
    /// No price is below zero, and quantity and amount have one sign.
    Signs,
}

impl Habit {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Returns => "returns",
            Self::Cancellations => "cancellations",
            Self::ZeroPrices => "zero_prices",
            Self::TestProducts => "test_products",
            Self::Signs => "signs",
        }
    }
}

/// Which columns the `retail` rules look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retail {
    /// The customer.
    pub customer: String,
    /// The order, an invoice or a receipt.
    pub order: String,
    /// The product's code.
    pub product: String,
    /// The product in words; not looked at where there is no such column.
    pub description: String,
    /// How many pieces, below zero in returns.
    pub quantity: String,
    /// What one piece costs.
    pub price: String,
    /// What the row comes to.
    pub amount: String,
    /// What the number of a cancelled order begins with.
    pub cancelled: String,
}

impl Default for Retail {
    fn default() -> Self {
        let name = str::to_owned;
        Self {
            customer: name("customer_id"),
            order: name("order_id"),
            product: name("product"),
            description: name("description"),
            quantity: name("quantity"),
            price: name("price"),
            amount: name("amount"),
            cancelled: name("C"),
        }
    }
}
