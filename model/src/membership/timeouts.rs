//! What a member waits for, for how long, and how often it does things.

use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

/// The timers of a member.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Timer {
    /// When a period is over.
    Probe,
    /// When an answer should have come.
    Wait,
    /// When it is time to compare tables.
    Exchange,
    /// When it is time to say again which nodes are gone.
    Report,
}

/// How long to wait for what, and how often to do it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Of a period.
    pub period: Range<Duration>,
    /// Of the first one after a start: the nodes of a cluster do not all start in the same instant.
    pub first: Range<Duration>,
    /// For an answer; `tries + 1` of them fit into a period.
    pub wait: Range<Duration>,
    /// How often a question is asked again, each time with the help of others.
    pub tries: u32,
    /// How many others help.
    pub relays: usize,
    /// How many periods a suspicion lasts, times the logarithm (to the base of 2) of the number of
    /// members: the smallest and the largest.
    pub suspicion: Range<u32>,
    /// How often news is told, times the same logarithm.
    pub retell: u32,
    /// Between two comparisons of tables.
    pub exchange: Range<Duration>,
    /// The same, for one that has just started.
    pub join: Range<Duration>,
    /// Between two reports while a node is gone.
    pub report: Range<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        let millis = |from, to| Duration::from_millis(from)..Duration::from_millis(to);
        Timeouts {
            period: millis(450, 550),
            first: millis(3000, 3500),
            wait: millis(130, 150),
            tries: 2,
            relays: 3,
            suspicion: 1..3,
            retell: 3,
            exchange: millis(9_000, 11_000),
            join: millis(400, 600),
            report: millis(900, 1100),
        }
    }
}
