//! What a client and its gateway say to each other, whatever the protocol behind the gateway is.

use crate::kv::{OpId, Outcome};
use serde::{Deserialize, Serialize};

/// A gateway to its clients, when it has started: they begin, or give up what they had under way.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Opened {
    /// Which start it is; names every operation invoked from now on.
    pub incarnation: u32,
}

/// A gateway to the client of an operation, when that has ended.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Return {
    /// Which one.
    pub id: OpId,
    /// How.
    pub outcome: Outcome,
}
