//! What the actors of a chain say to each other.

use super::{Key, Report, Row, View};
use crate::coordinator;
use crate::kv::{self, Op, OpId, Outcome};
pub use crate::session::{Opened, Return};
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::fmt::{self, Debug, Formatter};

/// One update, as it stands in logs and travels down the chain: an operation, not its result. Its
/// outcome is a function of the entries before it, the same at every replica.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Entry {
    /// Whose operation it is.
    pub id: OpId,
    /// The key it works on.
    pub key: kv::Key,
    /// What it does there.
    pub op: Op,
}

/// Which replica may answer a read.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub enum Reads {
    /// The tail: strong reads, as in chain replication (OSDI '04).
    Tail,
    /// Any member, for a clean key; the tail, for a dirty one: apportioned reads, as in CRAQ (ATC
    /// '09). As strong as the tail's.
    #[default]
    Any,
    /// Any member, from what it has committed, whether it has a lease or not, clean or dirty. **Not
    /// linearizable**: a read may miss updates that are acknowledged, and one read may see less
    /// than the one before it. (ATC '09, section 2.4, "eventual consistency".)
    Eventual,
}

/// What the actors of a chain say to each other; the [module's table](super) tells which actor says
/// it to which.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Msg {
    /// When a gateway has started: clients begin, or give up what they had under way.
    Opened(Opened),
    /// When a client wants something done.
    Invoke(Invoke),
    /// When an operation ended, for its client.
    Return(Return),
    /// When a gateway has an operation for the chain, or a replica a read that it may not answer.
    Request(Request),
    /// When an operation is committed, or a read answered.
    Reply(Reply),
    /// When a request came to a replica that does not serve it.
    Redirect(Redirect),
    /// When an entry goes to the successor, for the first time or again.
    Update(Update),
    /// When an update came too early, and when what it waited for has come.
    Missing(Missing),
    /// When the sender has committed entries.
    Ack(Ack),
    /// When a client lists keys.
    Scan(Scan),
    /// When a replica lists keys: those of one stretch, as they were at a moment since it was
    /// asked.
    Scanned(Scanned),
    /// When a learner asks its tail for the next part of its rows.
    Fetch(Fetch),
    /// When a tail answers that.
    Rows(Rows),
    /// When a learner tells its tail how far it is, and asks for what has changed since.
    Caught(Caught),
    /// When a tail has committed entries that its learner lacks.
    Changes(Changes),
    /// When views are decided, told, asked for and reported on: see [`coordinator`].
    Views(coordinator::Msg<View, Report>),
    /// When a replica may not list a stretch of keys, because one of them is dirty: the tail
    /// answers the client.
    ScanFor(ScanFor),
    /// When a learner that was a member, or had every row, asks its tail for no more than what came
    /// since.
    Resume(Resume),
    /// When a tail answers that.
    Resumed(Resumed),
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
    /// Which replica may answer, if it is a read.
    pub reads: Reads,
}

/// A gateway to the head (writes) or to any replica (reads), first and again while nothing comes
/// back; a replica to the tail, for a read of a dirty key.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Request {
    /// The reply goes to `id.gateway`, whichever actor sent the request.
    pub id: OpId,
    /// The key to work on.
    pub key: kv::Key,
    /// What to do.
    pub op: Op,
    /// Which replica may answer, if it is a read.
    pub reads: Reads,
}

/// The tail (writes), a replica (reads) or the head (what it has seen before) to the operation's
/// gateway, when the operation is committed, or the read answered.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Reply {
    /// Which one.
    pub id: OpId,
    /// Its outcome.
    pub outcome: Outcome,
}

/// A replica to a gateway whose request it does not serve.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Redirect {
    /// Which replicas serve it, as far as the sender knows.
    pub view: View,
}

/// A replica to its successor, when it has logged the entry, and again while nothing is
/// acknowledged.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Update {
    /// The sender's epoch.
    pub epoch: u64,
    /// The entry's place in the log.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
}

/// A replica to its predecessor, when an update came too early, and when what it waited for has
/// come.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Missing {
    /// The sender's epoch.
    pub epoch: u64,
    /// The first index that is missing.
    pub next: u64,
}

/// A replica to its predecessor, when it has committed entries, and for an update that it has
/// already.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ack {
    /// The sender's epoch.
    pub epoch: u64,
    /// Everything up to here is committed.
    pub index: u64,
}

/// A client to any replica, to list keys; the answer is a [`Scanned`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Scan {
    /// Chosen by the client, to tell answers apart.
    pub ticket: u64,
    /// List keys after this one; from the first where there is none.
    pub after: Option<kv::Key>,
    /// At most so many.
    pub limit: u32,
}

/// A replica to the client that lists: the keys of one stretch, as they were at a moment since it
/// asked.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Scanned {
    /// Of the `Scan`.
    pub ticket: u64,
    /// In ascending order; empty at the end.
    pub keys: Vec<kv::Key>,
    /// How many keys there are in all: at that moment if none were asked for, else as far as the
    /// replica has applied.
    pub total: u64,
}

/// A learner to its tail, for the next part of the tail's rows; the answer is [`Rows`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Fetch {
    /// Which teaching: the epoch that named the learner.
    pub since: u64,
    /// The rows after this key; from the first where there is none.
    pub after: Option<Key>,
}

/// A tail to its learner: a part of its rows.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Rows {
    /// Of the `Fetch`.
    pub since: u64,
    /// Of the `Fetch`.
    pub after: Option<Key>,
    /// Lanes and data, in ascending order of keys, without gaps.
    pub rows: Vec<(Key, Row)>,
    /// Whether there are no others after these.
    pub last: bool,
    /// Up to where the tail had committed when it read these.
    pub committed: u64,
}

/// A learner to its tail: how far it is. The answer, while it lacks anything, is [`Changes`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Caught {
    /// Which teaching.
    pub since: u64,
    /// It has the effects of every entry up to here.
    pub upto: u64,
    /// Whether it has every row, too.
    pub done: bool,
}

/// A tail to its learner: what the entries touched that it has committed and the learner lacks.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Changes {
    /// Which teaching.
    pub since: u64,
    /// The index of the first of these entries; the others follow.
    pub from: u64,
    /// For each entry, the rows that it touched, *as they are now*: never operations, for an
    /// operation needs the row that it is applied to, and the learner may not have that yet. With
    /// them, from a tail that retains for members that return, goes the entry's own row.
    pub changes: Vec<Vec<(Key, Row)>>,
}

/// A replica to the tail, for a [`Scan`] of a stretch with a dirty key; the tail answers the
/// client.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct ScanFor {
    /// The client; the answer goes there.
    pub client: Id,
    /// Of the `Scan`.
    pub ticket: u64,
    /// Of the `Scan`.
    pub after: Option<kv::Key>,
    /// Of the `Scan`.
    pub limit: u32,
}

/// A learner that was a member, or had every row, to its tail, to be sent what came since and no
/// more; the answer is a [`Resumed`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Resume {
    /// Which teaching.
    pub since: u64,
    /// It has the effects of every entry up to here.
    pub upto: u64,
    /// Whose operation the last of these is: another one is of another history.
    pub last: OpId,
}

/// A tail to its learner: whether the learner may go on where it was.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Resumed {
    /// Of the `Resume`.
    pub since: u64,
    /// Whether the tail still has all that came since; else the learner begins anew.
    pub goes_on: bool,
}

impl Debug for Msg {
    /// As the payload, which has the name of its variant.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Msg::Opened(payload) => payload.fmt(f),
            Msg::Invoke(payload) => payload.fmt(f),
            Msg::Return(payload) => payload.fmt(f),
            Msg::Request(payload) => payload.fmt(f),
            Msg::Reply(payload) => payload.fmt(f),
            Msg::Redirect(payload) => payload.fmt(f),
            Msg::Update(payload) => payload.fmt(f),
            Msg::Missing(payload) => payload.fmt(f),
            Msg::Ack(payload) => payload.fmt(f),
            Msg::Scan(payload) => payload.fmt(f),
            Msg::Scanned(payload) => payload.fmt(f),
            Msg::Fetch(payload) => payload.fmt(f),
            Msg::Rows(payload) => payload.fmt(f),
            Msg::Caught(payload) => payload.fmt(f),
            Msg::Changes(payload) => payload.fmt(f),
            Msg::Views(inner) => f.debug_tuple("Views").field(inner).finish(),
            Msg::ScanFor(payload) => payload.fmt(f),
            Msg::Resume(payload) => payload.fmt(f),
            Msg::Resumed(payload) => payload.fmt(f),
        }
    }
}

impl Entry {
    /// How many bytes of key and values it carries.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.op.bytes()
    }
}
