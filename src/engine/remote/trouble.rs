//! What can go wrong with a remote, in custem's own words: what libraries say may hold parts of a request.

use std::fmt;
use std::io;

/// Why a remote doesn't give or take something.
#[derive(Debug)]
pub enum Trouble {
    /// It isn't there.
    Missing,
    /// It is there, but says no.
    Refused(&'static str),
    /// It can't be spoken to at all.
    Away(String),
    /// The user wants to stop.
    Stopped,
    /// This side fails: the cache, not the remote.
    Own(anyhow::Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("nothing is there"),
            Self::Refused(why) => f.write_str(why),
            Self::Away(why) => f.write_str(why),
            Self::Stopped => f.write_str("interrupted"),
            Self::Own(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Own(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Own(error.into())
    }
}
