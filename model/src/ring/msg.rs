//! What the actors of a ring say to each other.

use super::{Ballot, Content, Floors, Span, View, place};
use crate::coordinator;
use crate::kv::{self, Op, OpId, Outcome, Value};
use crate::membership;
use serde::{Deserialize, Serialize};

/// A register as a newcomer is given it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Copied {
    /// Which key.
    pub key: kv::Key,
    /// The ballot that was accepted.
    pub accepted: Ballot,
    /// Whether the giver has voted for it.
    pub voted: bool,
    /// What was accepted.
    pub content: Content,
}

/// A register as one who lists keys is told of it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Listed {
    /// Which key.
    pub key: kv::Key,
    /// The ballot that was accepted.
    pub accepted: Ballot,
    /// Whether it holds a value, rather than that the key was deleted.
    pub is_live: bool,
}

/// A part of the circle, as replicas compare it: behind one place, up to another, or to an end.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Slice {
    /// It begins behind this key; `None` where the circle does.
    pub after: Option<(u64, kv::Key)>,
    /// It ends with this key; `None` where the circle does.
    pub upto: Option<(u64, kv::Key)>,
}

/// What registers come to, as replicas compare them: equal for the same accepted ballots of the same keys, in any
/// order. It guards against chance, not against members that lie.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub struct Digest {
    /// How many they are.
    pub count: u64,
    /// The sum of their hashes.
    pub sum: u64,
}

/// What the actors of a ring say to each other; the [module's table](super) tells who to whom.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Msg {
    /// When a gateway has started: clients begin, or give up what they had under way.
    Opened {
        /// Which start it is; names every operation invoked from now on.
        incarnation: u32,
    },
    /// When a client wants something done.
    Invoke {
        /// Named by the client, from the gateway's incarnation and a lane that is free.
        id: OpId,
        /// The key to work on.
        key: kv::Key,
        /// What to do.
        op: Op,
    },
    /// When an operation ended, for its client.
    Return {
        /// Which one.
        id: OpId,
        /// How.
        outcome: Outcome,
    },
    /// When a gateway reads.
    Read {
        /// The gateway's epoch.
        epoch: u64,
        /// For which operation.
        id: OpId,
        /// The key.
        key: kv::Key,
    },
    /// When a node answers a read.
    Vote {
        /// Of the `Read`.
        epoch: u64,
        /// Of the `Read`.
        id: OpId,
        /// The ballot that the node has accepted.
        accepted: Ballot,
        /// Whether that counts for a quorum.
        voted: bool,
        /// What the key holds there.
        value: Option<Value>,
    },
    /// When an attempt begins.
    Prepare {
        /// For which operation.
        id: OpId,
        /// The key.
        key: kv::Key,
        /// The attempt's ballot.
        ballot: Ballot,
    },
    /// When a node has promised to accept no lower ballot.
    Promise {
        /// Of the `Prepare`.
        id: OpId,
        /// Of the `Prepare`.
        ballot: Ballot,
        /// The ballot that the node has accepted.
        accepted: Ballot,
        /// Whether that counts for a quorum.
        voted: bool,
        /// What it has accepted with it.
        content: Content,
    },
    /// When an attempt knows what to propose.
    Accept {
        /// For which operation.
        id: OpId,
        /// The key.
        key: kv::Key,
        /// The attempt's ballot.
        ballot: Ballot,
        /// What the register is to hold.
        content: Content,
    },
    /// When a node has accepted.
    Accepted {
        /// Of the `Accept`.
        id: OpId,
        /// Of the `Accept`.
        ballot: Ballot,
    },
    /// When a node has promised a higher ballot.
    Refuse {
        /// Of the `Prepare` or `Accept`.
        id: OpId,
        /// Of the `Prepare` or `Accept`.
        ballot: Ballot,
        /// The one that it has promised.
        promised: Ballot,
    },
    /// When a node wants to purge a tombstone: who has nothing newer holds it too.
    Sweep {
        /// The sender's epoch.
        epoch: u64,
        /// The key.
        key: kv::Key,
        /// The ballot that the sender has accepted.
        ballot: Ballot,
        /// The tombstone.
        content: Content,
    },
    /// When a node holds a tombstone, or has purged it.
    Held {
        /// Of the `Sweep`.
        epoch: u64,
        /// Of the `Sweep`.
        key: kv::Key,
        /// Of the `Sweep`.
        ballot: Ballot,
    },
    /// When a newcomer wants what an old replica has.
    Fetch {
        /// The sender's epoch.
        epoch: u64,
        /// Of which part of the ring.
        span: Span,
        /// What comes after this key, or everything.
        after: Option<(u64, kv::Key)>,
    },
    /// When an old replica gives what it has.
    Rows {
        /// Of the `Fetch`.
        epoch: u64,
        /// Of the `Fetch`.
        span: Span,
        /// Of the `Fetch`.
        after: Option<(u64, kv::Key)>,
        /// In ascending order of position and key.
        rows: Vec<Copied>,
        /// Whether there is more.
        more: bool,
        /// How what is missing reads.
        floors: Floors,
    },
    /// When a client lists keys, in the order of the circle: see `node/list.rs`.
    Scan {
        /// The epoch of the sender's gateway.
        epoch: u64,
        /// Comes back with the answer.
        ticket: u64,
        /// What comes after this key, or everything.
        after: Option<(u64, kv::Key)>,
        /// How many registers it wants at the most; a node has a limit of its own.
        limit: u32,
    },
    /// When a node tells what it has of that: of those keys of which it is an old replica.
    Scanned {
        /// Of the `Scan`.
        epoch: u64,
        /// Of the `Scan`.
        ticket: u64,
        /// In ascending order of position and key.
        rows: Vec<Listed>,
        /// How far it has looked; `None` for the end of the circle.
        upto: Option<(u64, kv::Key)>,
    },
    /// When an operator wants a node in the ring, or out of it. The node sees to it, until it is told otherwise.
    Belong {
        /// Whether it is to be a member.
        wanted: bool,
    },
    /// When views are decided, told, asked for and reported on: see [`coordinator`].
    Views(coordinator::MsgOf<View>),
    /// When those who detect failures gossip: see [`membership`].
    Members(membership::Msg),
    /// When a node asks another replica whether both hold the same: see `node/repair.rs`.
    Compare {
        /// The sender's epoch.
        epoch: u64,
        /// Of which part of the circle.
        slice: Slice,
        /// What the sender holds there of which both are replicas.
        digest: Digest,
    },
    /// When that one tells.
    Compared {
        /// Of the `Compare`.
        epoch: u64,
        /// Of the `Compare`.
        slice: Slice,
        /// What it holds there of which both are replicas, in ascending order; `None` if it comes to the same.
        rows: Option<Vec<Listed>>,
        /// How far it has looked; `None` for all of it.
        looked: Option<(u64, kv::Key)>,
    },
    /// When a node has missed what another replica holds.
    Want {
        /// The sender's epoch.
        epoch: u64,
        /// Which keys.
        keys: Vec<kv::Key>,
        /// What is to be compared after that; comes back with the answer.
        then: Option<Slice>,
    },
    /// When a replica gives that.
    Copies {
        /// Of the `Want`.
        epoch: u64,
        /// As many as a message carries.
        rows: Vec<Copied>,
        /// The others.
        rest: Vec<kv::Key>,
        /// Of the `Want`.
        then: Option<Slice>,
    },
    /// When a read has shown a gateway that a replica has missed a write.
    Behind {
        /// The gateway's epoch.
        epoch: u64,
        /// Of which key.
        key: kv::Key,
    },
}

impl Digest {
    /// And this one.
    pub fn add(&mut self, row: &Listed) {
        let Ballot { epoch, n, gateway, incarnation } = row.accepted;
        let mut bytes = row.key.to_vec();
        for part in [epoch, n, usize::from(gateway) as u64, incarnation.into()] {
            bytes.extend(part.to_be_bytes());
        }
        self.count += 1;
        self.sum = self.sum.wrapping_add(place::position(&bytes));
    }
}
