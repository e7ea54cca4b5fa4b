//! What the actors of a ring say to each other.

use super::{Ballot, Content, Floors, Span, View, place};
use crate::coordinator;
use crate::kv::{self, Op, OpId, Value};
use crate::membership;
pub use crate::session::{Opened, Return};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Formatter};

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

/// A register as a client that lists keys is told of it.
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

/// What registers come to, as replicas compare them: equal for the same accepted ballots of the
/// same keys, in any order. It guards against chance, not against members that lie.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub struct Digest {
    /// How many they are.
    pub count: u64,
    /// The sum of their hashes.
    pub sum: u64,
}

/// What the actors of a ring say to each other; the [module's table](super) tells which actor says
/// it to which.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Msg {
    /// When a gateway has started: clients begin, or give up what they had under way.
    Opened(Opened),
    /// When a client wants something done.
    Invoke(Invoke),
    /// When an operation ended, for its client.
    Return(Return),
    /// When a gateway reads.
    Read(Read),
    /// When a node answers a read.
    Vote(Vote),
    /// When an attempt begins.
    Prepare(Prepare),
    /// When a node has promised to accept no lower ballot.
    Promise(Promise),
    /// When an attempt knows what to propose.
    Accept(Accept),
    /// When a node has accepted.
    Accepted(Accepted),
    /// When a node has promised a higher ballot.
    Refuse(Refuse),
    /// When a node wants to purge a tombstone: a replica that has nothing newer holds it too.
    Sweep(Sweep),
    /// When a node holds a tombstone, or has purged it.
    Held(Held),
    /// When a newcomer wants what an old replica has.
    Fetch(Fetch),
    /// When an old replica gives what it has.
    Rows(Rows),
    /// When a client lists keys, in the order of the circle: see `node/list.rs`.
    Scan(Scan),
    /// When a node tells what it has of that: of those keys of which it is an old replica.
    Scanned(Scanned),
    /// When an operator wants a node in the ring, or out of it. The node sees to it, until it is
    /// told otherwise.
    Belong(Belong),
    /// When views are decided, told, asked for and reported on: see [`coordinator`].
    Views(coordinator::MsgOf<View>),
    /// When members gossip: see [`membership`].
    Members(membership::Msg),
    /// When a node asks another replica whether both hold the same: see `node/repair.rs`.
    Compare(Compare),
    /// When that one tells.
    Compared(Compared),
    /// When a node has missed what another replica holds.
    Want(Want),
    /// When a replica gives that.
    Copies(Copies),
    /// When a read has shown a gateway that a replica has missed a write.
    Behind(Behind),
}

/// A client to its gateway, when it wants something done. The gateway answers with a [`Return`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Invoke {
    /// Named by the client, from the gateway's incarnation and a lane that is free.
    pub id: OpId,
    /// The key to work on.
    pub key: kv::Key,
    /// What to do.
    pub op: Op,
}

/// A gateway to every replica of a key, when it reads; the answer is a [`Vote`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Read {
    /// The gateway's epoch.
    pub epoch: u64,
    /// For which operation.
    pub id: OpId,
    /// The key.
    pub key: kv::Key,
}

/// A node to a gateway that reads: what the node has accepted last.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Vote {
    /// Of the `Read`.
    pub epoch: u64,
    /// Of the `Read`.
    pub id: OpId,
    /// The ballot that the node has accepted.
    pub accepted: Ballot,
    /// Whether that counts for a quorum.
    pub voted: bool,
    /// What the key holds there.
    pub value: Option<Value>,
}

/// A gateway to every replica of a key, when an attempt begins; the answer is a [`Promise`] or a
/// [`Refuse`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Prepare {
    /// For which operation.
    pub id: OpId,
    /// The key.
    pub key: kv::Key,
    /// The attempt's ballot.
    pub ballot: Ballot,
}

/// A node to the gateway of an attempt: it accepts no lower ballot from now on. Saved before it is
/// sent.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Promise {
    /// Of the `Prepare`.
    pub id: OpId,
    /// Of the `Prepare`.
    pub ballot: Ballot,
    /// The ballot that the node has accepted.
    pub accepted: Ballot,
    /// Whether that counts for a quorum.
    pub voted: bool,
    /// What it has accepted with it.
    pub content: Content,
}

/// A gateway to every replica of a key, when a quorum has promised; the answer is an [`Accepted`]
/// or a [`Refuse`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Accept {
    /// For which operation.
    pub id: OpId,
    /// The key.
    pub key: kv::Key,
    /// The attempt's ballot.
    pub ballot: Ballot,
    /// What the register is to hold.
    pub content: Content,
}

/// A node to the gateway of an attempt: it has accepted. Saved before it is sent.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Accepted {
    /// Of the `Accept`.
    pub id: OpId,
    /// Of the `Accept`.
    pub ballot: Ballot,
}

/// A node to the gateway of an attempt: it has promised a higher ballot.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Refuse {
    /// Of the `Prepare` or `Accept`.
    pub id: OpId,
    /// Of the `Prepare` or `Accept`.
    pub ballot: Ballot,
    /// The one that it has promised.
    pub promised: Ballot,
}

/// A node to the other replicas of a tombstone that it would purge, now and then; those that have
/// nothing newer take it, and answer with a [`Held`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Sweep {
    /// The sender's epoch.
    pub epoch: u64,
    /// The key.
    pub key: kv::Key,
    /// The ballot that the sender has accepted.
    pub ballot: Ballot,
    /// The tombstone.
    pub content: Content,
}

/// A node to the one that sweeps: it holds that tombstone, or has purged it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Held {
    /// Of the `Sweep`.
    pub epoch: u64,
    /// Of the `Sweep`.
    pub key: kv::Key,
    /// Of the `Sweep`.
    pub ballot: Ballot,
}

/// A newcomer to every old replica of a span, for what comes next; the answer is [`Rows`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Fetch {
    /// The sender's epoch.
    pub epoch: u64,
    /// Of which part of the ring.
    pub span: Span,
    /// What comes after this key, or everything.
    pub after: Option<(u64, kv::Key)>,
}

/// An old replica to a newcomer: a part of the registers of a span.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Rows {
    /// Of the `Fetch`.
    pub epoch: u64,
    /// Of the `Fetch`.
    pub span: Span,
    /// Of the `Fetch`.
    pub after: Option<(u64, kv::Key)>,
    /// In ascending order of position and key.
    pub rows: Vec<Copied>,
    /// Whether there is more.
    pub more: bool,
    /// How what is missing reads.
    pub floors: Floors,
}

/// A client to a node, to list keys in the order of the circle (`node/list.rs`); the answer is a
/// [`Scanned`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Scan {
    /// The epoch of the sender's gateway.
    pub epoch: u64,
    /// Comes back with the answer.
    pub ticket: u64,
    /// What comes after this key, or everything.
    pub after: Option<(u64, kv::Key)>,
    /// How many registers it wants at the most; a node has a limit of its own.
    pub limit: u32,
}

/// A node to the client that lists: what it has of that, of those keys of which it is an old
/// replica.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Scanned {
    /// Of the `Scan`.
    pub epoch: u64,
    /// Of the `Scan`.
    pub ticket: u64,
    /// In ascending order of position and key.
    pub rows: Vec<Listed>,
    /// How far it has looked; `None` for the end of the circle.
    pub upto: Option<(u64, kv::Key)>,
}

/// An operator to a node, which is to be in the ring or out of it. The node sees to it until it is
/// told otherwise.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Belong {
    /// Whether it is to be a member.
    pub wanted: bool,
}

/// A node to another replica of a slice of the circle, now and then: do both hold the same
/// (`node/repair.rs`)? The answer is a [`Compared`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Compare {
    /// The sender's epoch.
    pub epoch: u64,
    /// Of which part of the circle.
    pub slice: Slice,
    /// What the sender holds there of which both are replicas.
    pub digest: Digest,
}

/// A node to the one that compares: whether it holds the same, and if not, what.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Compared {
    /// Of the `Compare`.
    pub epoch: u64,
    /// Of the `Compare`.
    pub slice: Slice,
    /// What it holds there of which both are replicas, in ascending order; `None` if it comes to
    /// the same.
    pub rows: Option<Vec<Listed>>,
    /// How far it has looked; `None` for all of it.
    pub looked: Option<(u64, kv::Key)>,
}

/// A node to another replica, for registers that it has missed; the answer is [`Copies`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Want {
    /// The sender's epoch.
    pub epoch: u64,
    /// Which keys.
    pub keys: Vec<kv::Key>,
    /// What is to be compared after that; comes back with the answer.
    pub then: Option<Slice>,
}

/// A node to the one that has missed registers: as many of them as a message carries.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Copies {
    /// Of the `Want`.
    pub epoch: u64,
    /// As many as a message carries.
    pub rows: Vec<Copied>,
    /// The others.
    pub rest: Vec<kv::Key>,
    /// Of the `Want`.
    pub then: Option<Slice>,
}

/// A gateway to a node, when a read has shown that the node has missed a write.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Behind {
    /// The gateway's epoch.
    pub epoch: u64,
    /// Of which key.
    pub key: kv::Key,
}

impl Debug for Msg {
    /// As the payload, which has the name of its variant.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Msg::Opened(payload) => payload.fmt(f),
            Msg::Invoke(payload) => payload.fmt(f),
            Msg::Return(payload) => payload.fmt(f),
            Msg::Read(payload) => payload.fmt(f),
            Msg::Vote(payload) => payload.fmt(f),
            Msg::Prepare(payload) => payload.fmt(f),
            Msg::Promise(payload) => payload.fmt(f),
            Msg::Accept(payload) => payload.fmt(f),
            Msg::Accepted(payload) => payload.fmt(f),
            Msg::Refuse(payload) => payload.fmt(f),
            Msg::Sweep(payload) => payload.fmt(f),
            Msg::Held(payload) => payload.fmt(f),
            Msg::Fetch(payload) => payload.fmt(f),
            Msg::Rows(payload) => payload.fmt(f),
            Msg::Scan(payload) => payload.fmt(f),
            Msg::Scanned(payload) => payload.fmt(f),
            Msg::Belong(payload) => payload.fmt(f),
            Msg::Views(inner) => f.debug_tuple("Views").field(inner).finish(),
            Msg::Members(inner) => f.debug_tuple("Members").field(inner).finish(),
            Msg::Compare(payload) => payload.fmt(f),
            Msg::Compared(payload) => payload.fmt(f),
            Msg::Want(payload) => payload.fmt(f),
            Msg::Copies(payload) => payload.fmt(f),
            Msg::Behind(payload) => payload.fmt(f),
        }
    }
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
