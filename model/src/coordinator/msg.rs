//! What coordinators, members and followers say to each other.

use super::View;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::fmt::{self, Debug, Formatter};

/// The number of an attempt to decide an epoch.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ballot {
    /// Grows with every attempt.
    pub round: u32,
    /// Whose attempt it is: makes ballots of one round different.
    pub proposer: Id,
}

/// What coordinators, members and followers say to each other; the [module's table](super) tells who to
/// whom.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Msg<V, R> {
    /// When a member is alive, and wants a lease.
    Heartbeat {
        /// Which start of the member.
        boot: u32,
        /// The number of this heartbeat in that start.
        n: u64,
        /// The epoch that the member has installed.
        epoch: u64,
    },
    /// When a coordinator grants its part of a lease.
    Lease {
        /// Of the heartbeat.
        boot: u32,
        /// Of the heartbeat.
        n: u64,
    },
    /// When somebody wants to know whether there is a newer view.
    Ask {
        /// The epoch of the newest view that the sender knows.
        epoch: u64,
    },
    /// When a view is decided, and when somebody shows that they do not know.
    Install {
        /// The decided view.
        view: V,
    },
    /// When a member has something to say that bears on the next view.
    Report(R),
    /// When a proposer begins a ballot for the epoch after `decided`.
    Prepare {
        /// The decided view that it follows.
        decided: V,
        /// Its ballot.
        ballot: Ballot,
    },
    /// When an acceptor takes part in a ballot.
    Promise {
        /// The epoch to be decided.
        epoch: u64,
        /// The ballot.
        ballot: Ballot,
        /// Its newest vote.
        accepted: Option<(Ballot, V)>,
    },
    /// When a proposer asks for votes.
    Accept {
        /// The ballot.
        ballot: Ballot,
        /// The view to vote for.
        view: V,
    },
    /// When an acceptor has voted.
    Accepted {
        /// The epoch to be decided.
        epoch: u64,
        /// The ballot.
        ballot: Ballot,
    },
}

/// A message among coordinators of these views.
pub type MsgOf<V> = Msg<V, <V as View>::Report>;

impl Debug for Ballot {
    /// `round.proposer`, short enough for sequence diagrams.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round, usize::from(self.proposer))
    }
}
