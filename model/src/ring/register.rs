//! One key at one node, and what it is made of.

use super::gateway;
use crate::kv::{OpId, Outcome, Value};
use serde::{Deserialize, Serialize};
use stateright::actor::Id;

/// How many operations a register remembers, unless told otherwise.
pub const RECENT: usize = 16;

/// The number of an attempt to change a register. An epoch's ballots are higher than those of all
/// epochs before, so that nothing promised or sent there outranks a newer one.
///
/// Invariant: no two attempts of any operations share a ballot: `n` counts the attempts of one
/// start of a gateway.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ballot {
    /// In which epoch.
    pub epoch: u64,
    /// The gateway's counter, kept above the largest that it has seen.
    pub n: u64,
    /// Whose attempt it is: breaks ties.
    pub gateway: Id,
    /// Which start of that gateway it was.
    pub incarnation: u32,
}

/// What a register holds once a ballot is accepted, and what is chosen of it.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Content {
    /// How many operations led here; more after a purge.
    pub version: u64,
    /// What the key holds, if anything.
    pub value: Option<Value>,
    /// The last of those operations, the newest at the end. Invariant: all different, K at the
    /// most.
    pub recent: Vec<(OpId, Outcome)>,
}

/// One key at one node.
///
/// Invariants: `promised >= accepted`, and neither goes back in an epoch's span of serving; two
/// registers of a key that accepted the same ballot have equal contents.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Register {
    /// The highest ballot that the node has promised: it accepts no lower one.
    pub promised: Ballot,
    /// The ballot of the content; the lowest of all while nothing was accepted.
    pub accepted: Ballot,
    /// Whether the node has accepted that ballot, rather than copied it from one that had.
    pub voted: bool,
    /// What was accepted.
    pub content: Content,
}

/// How what is missing reads, on one node.
///
/// Invariant: neither goes back.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub struct Floors {
    /// As promised: at least every ballot that was accepted for a key whose register was purged.
    pub ballot: Ballot,
    /// As this version: K beyond that of every register that was purged, at least.
    pub version: u64,
}

impl Default for Ballot {
    /// Lower than every ballot in use.
    fn default() -> Self {
        Ballot { epoch: 0, n: 0, gateway: Id::from(0), incarnation: 0 }
    }
}

impl std::fmt::Debug for Ballot {
    /// `epoch:n@gateway.incarnation`, short enough for sequence diagrams.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ballot { epoch, n, gateway, incarnation } = self;
        write!(f, "{epoch}:{n}@{}.{incarnation}", usize::from(*gateway))
    }
}

impl Content {
    /// The outcome of an operation that is remembered here.
    pub fn outcome(&self, id: &OpId) -> Option<&Outcome> {
        self.recent.iter().find(|(recent, _)| recent == id).map(|(_, outcome)| outcome)
    }

    /// How many bytes it carries, about.
    pub fn bytes(&self) -> usize {
        let outcome = |(_, outcome): &(OpId, Outcome)| match outcome {
            Outcome::Value(value) => 32 + value.len(),
            Outcome::Done | Outcome::Number(_) | Outcome::Refused(_) | Outcome::Unknown => 32,
        };
        self.value.as_ref().map_or(0, |value| value.len())
            + self.recent.iter().map(outcome).sum::<usize>()
    }

    /// This, after one more operation; `keep` operations are remembered.
    pub fn after(&self, value: Option<Value>, id: OpId, outcome: Outcome, keep: usize) -> Content {
        let mut recent = self.recent.clone();
        recent.push((id, outcome));
        recent.drain(..recent.len().saturating_sub(keep));
        Content { version: self.version + 1, value, recent }
    }
}

impl Ballot {
    /// The round, as papers count it: what `n` counts, but for the leaps of gateways that had to
    /// wait.
    pub fn round(self) -> u64 {
        self.n % gateway::STRIDE
    }
}

impl Register {
    /// How a missing register reads.
    pub fn missing(floors: &Floors) -> Self {
        Register {
            promised: floors.ballot,
            accepted: Ballot::default(),
            voted: true,
            content: Content { version: floors.version, ..Content::default() },
        }
    }

    /// Whether it says that the key was deleted.
    pub fn is_tombstone(&self) -> bool {
        self.accepted > Ballot::default() && self.content.value.is_none()
    }
}

impl Floors {
    /// At least these.
    pub fn raise(&mut self, other: &Floors) {
        self.ballot = self.ballot.max(other.ballot);
        self.version = self.version.max(other.version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_outranks_every_ballot_before_it() {
        let ballot = |epoch, n, gateway: usize, incarnation| Ballot {
            epoch,
            n,
            gateway: Id::from(gateway),
            incarnation,
        };
        let ordered = [
            Ballot::default(),
            ballot(1, 1, 1, 2),
            ballot(1, 1, 2, 1),
            ballot(1, 2, 0, 1),
            ballot(2, 1, 0, 1),
        ];
        assert!(ordered.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn a_round_counts_attempts_whatever_leaps_there_were() {
        let of = |n| Ballot { n, ..Ballot::default() }.round();
        assert_eq!([of(1), of(2), of(gateway::STRIDE + 3)], [1, 2, 3]);
    }

    #[test]
    fn a_content_remembers_the_last_operations() {
        let id = |seq| OpId { gateway: Id::from(1), incarnation: 1, lane: 0, seq };
        let step = |content: Content, seq| content.after(None, id(seq), Outcome::Done, 2);
        let content = (1..=3).fold(Content::default(), step);
        assert_eq!(content.version, 3);
        assert_eq!(content.outcome(&id(1)), None);
        assert_eq!(content.outcome(&id(2)), Some(&Outcome::Done));
    }
}
