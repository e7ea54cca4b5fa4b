//! Which store a store is.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

/// The key of the one record of the table `about`.
pub(super) const IDENTITY: &[u8] = b"identity";

/// Which store this is: drawn when it was made, and never again.
///
/// A configuration names it, so that a store which was made anew after its disk was lost is not
/// taken for the old one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity(pub u128);

impl Identity {
    pub(super) fn draw() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|why| io::Error::other(why.to_string()))?;
        Ok(Identity(u128::from_le_bytes(bytes)))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}
