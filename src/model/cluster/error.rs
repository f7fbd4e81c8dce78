//! What can be wrong with a request to cluster; it does not know columns or parameters by name.

use std::fmt;

/// Why points can't be clustered or a clustering can't be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There are no rows.
    NoRows,
    /// There are no features.
    NoFeatures,
    /// Columns, or labels and rows, differ in length.
    Lengths {
        /// The length that was needed.
        expected: usize,
        /// The length that was found.
        found: usize,
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// Its row.
        row: usize,
        /// Its feature.
        feature: usize,
    },
    /// No clusters were asked for.
    NoClusters,
    /// More clusters were asked for than there are different rows.
    TooFewDistinct {
        /// Clusters asked for.
        k: usize,
        /// Different rows found.
        distinct: usize,
    },
    /// Separation is only defined for at least two clusters and at least one row more than clusters.
    Inseparable {
        /// Clusters.
        clusters: usize,
        /// Rows.
        rows: usize,
    },
    /// A cluster has no extent in some direction, so that its density is infinite there.
    Collapsed {
        /// The cluster.
        cluster: usize,
    },
    /// It was told to stop.
    Stopped,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRows => write!(f, "there are no rows to cluster"),
            Self::NoFeatures => write!(f, "there are no features to cluster by"),
            Self::Lengths { expected, found } => write!(f, "expected {expected} values but found {found}"),
            Self::NotFinite { row, feature } => {
                write!(f, "feature {feature} of row {row} is not a finite number")
            }
            Self::NoClusters => write!(f, "at least one cluster is needed"),
            Self::TooFewDistinct { k, distinct } => {
                write!(f, "{k} clusters need {k} different rows, but there are only {distinct}")
            }
            Self::Inseparable { clusters, rows } => {
                write!(f, "the separation of {clusters} clusters among {rows} rows is undefined")
            }
            Self::Collapsed { cluster } => {
                write!(f, "the covariance of cluster {cluster} isn't positive definite")
            }
            Self::Stopped => write!(f, "interrupted"),
        }
    }
}

impl std::error::Error for Error {}
