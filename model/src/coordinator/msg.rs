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

/// What coordinators, members and followers say to each other; the [module's table](super) tells
/// which actor says it to which.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Msg<V, R> {
    /// When a member is alive, and wants a lease.
    Heartbeat(Heartbeat),
    /// When a coordinator grants its part of a lease.
    Lease(Lease),
    /// When a follower wants to know whether there is a newer view.
    Ask(Ask),
    /// When a view is decided, and when a sender shows that it does not know the view.
    Install(Install<V>),
    /// When a member has something to say that bears on the next view.
    Report(R),
    /// When a proposer begins a ballot for the epoch after `decided`.
    Prepare(Prepare<V>),
    /// When an acceptor takes part in a ballot.
    Promise(Promise<V>),
    /// When a proposer asks for votes.
    Accept(Accept<V>),
    /// When an acceptor has voted.
    Accepted(Accepted),
}

/// A member to every coordinator, every [`heartbeat`](super::Timeouts::heartbeat): it lives, and
/// wants a lease.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Which start of the member.
    pub boot: u32,
    /// The number of this heartbeat in that start.
    pub n: u64,
    /// The epoch that the member has installed.
    pub epoch: u64,
}

/// A coordinator to a member, for one heartbeat: its part of a lease, which counts from when that
/// was sent.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Lease {
    /// Of the heartbeat.
    pub boot: u32,
    /// Of the heartbeat.
    pub n: u64,
}

/// A follower, a member or another coordinator to a coordinator (on a ring, to a node or a gateway,
/// too): is there a newer view? If there is, the answer is an [`Install`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ask {
    /// The epoch of the newest view that the sender knows.
    pub epoch: u64,
}

/// A coordinator to members, followers and the other coordinators, when a view is decided; and to a
/// sender that shows that it does not know the view (on a ring, a node or a gateway says so, too).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Install<V> {
    /// The decided view.
    pub view: V,
}

/// A proposer to the other coordinators, when it begins a ballot for the epoch after `decided`
/// (Paxos, phase 1).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Prepare<V> {
    /// The decided view that it follows.
    pub decided: V,
    /// Its ballot.
    pub ballot: Ballot,
}

/// An acceptor to a proposer: it takes part in no lower ballot. Saved before it is sent.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Promise<V> {
    /// The epoch to be decided.
    pub epoch: u64,
    /// The ballot.
    pub ballot: Ballot,
    /// Its newest vote.
    pub accepted: Option<(Ballot, V)>,
}

/// A proposer to the other coordinators, when a majority has promised (Paxos, phase 2).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Accept<V> {
    /// The ballot.
    pub ballot: Ballot,
    /// The view to vote for.
    pub view: V,
}

/// An acceptor to a proposer: it has voted. Saved before it is sent.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Accepted {
    /// The epoch to be decided.
    pub epoch: u64,
    /// The ballot.
    pub ballot: Ballot,
}

impl<V: Debug, R: Debug> Debug for Msg<V, R> {
    /// As the payload, which has the name of its variant.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Msg::Heartbeat(payload) => payload.fmt(f),
            Msg::Lease(payload) => payload.fmt(f),
            Msg::Ask(payload) => payload.fmt(f),
            Msg::Install(payload) => payload.fmt(f),
            Msg::Report(inner) => f.debug_tuple("Report").field(inner).finish(),
            Msg::Prepare(payload) => payload.fmt(f),
            Msg::Promise(payload) => payload.fmt(f),
            Msg::Accept(payload) => payload.fmt(f),
            Msg::Accepted(payload) => payload.fmt(f),
        }
    }
}

/// A message among coordinators of these views.
pub type MsgOf<V> = Msg<V, <V as View>::Report>;

impl Debug for Ballot {
    /// `round.proposer`, short enough for sequence diagrams.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round, usize::from(self.proposer))
    }
}
