//! What the actors of a chain say to each other.

use super::{Key, Report, Row, View};
use crate::coordinator;
use crate::kv::{self, Op, OpId, Outcome};
use serde::{Deserialize, Serialize};
use stateright::actor::Id;

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

/// Who may answer a read.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub enum Reads {
    /// The tail: strong reads, as in chain replication (OSDI '04).
    Tail,
    /// Any member, for a clean key; the tail, for a dirty one: apportioned reads, as in CRAQ (ATC '09). As
    /// strong as the tail's.
    #[default]
    Any,
    /// Any member, from what it has committed, whether it has a lease or not, clean or dirty. **Not
    /// linearizable**: a read may miss updates that are acknowledged, and one read may see less than the one before
    /// it. (ATC '09, section 2.4, "eventual consistency".)
    Eventual,
}

/// What the actors of a chain say to each other; the [module's table](super) tells who to whom.
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
        /// Who may answer, if it is a read.
        reads: Reads,
    },
    /// When an operation ended, for its client.
    Return {
        /// Which one.
        id: OpId,
        /// How.
        outcome: Outcome,
    },
    /// When a gateway has an operation for the chain, or a replica a read that it may not answer.
    Request {
        /// The reply goes to `id.gateway`, whoever sent the request.
        id: OpId,
        /// The key to work on.
        key: kv::Key,
        /// What to do.
        op: Op,
        /// Who may answer, if it is a read.
        reads: Reads,
    },
    /// When an operation is committed, or a read answered.
    Reply {
        /// Which one.
        id: OpId,
        /// Its outcome.
        outcome: Outcome,
    },
    /// When a request came to a replica that does not serve it.
    Redirect {
        /// Who serves it, as far as the sender knows.
        view: View,
    },
    /// When an entry goes to the successor, for the first time or again.
    Update {
        /// The sender's epoch.
        epoch: u64,
        /// The entry's place in the log.
        index: u64,
        /// The entry.
        entry: Entry,
    },
    /// When an update came too early, and when what it waited for has come.
    Missing {
        /// The sender's epoch.
        epoch: u64,
        /// The first index that is missing.
        next: u64,
    },
    /// When the sender has committed entries.
    Ack {
        /// The sender's epoch.
        epoch: u64,
        /// Everything up to here is committed.
        index: u64,
    },
    /// When a client lists keys.
    Scan {
        /// Chosen by the client, to tell answers apart.
        ticket: u64,
        /// List keys after this one; from the first where there is none.
        after: Option<kv::Key>,
        /// At most so many.
        limit: u32,
    },
    /// When a replica lists keys: those of one stretch, as they were at a moment since it was asked.
    Scanned {
        /// Of the `Scan`.
        ticket: u64,
        /// In ascending order; empty at the end.
        keys: Vec<kv::Key>,
        /// How many keys there are in all: at that moment if none were asked for, else as far as the replica has
        /// applied.
        total: u64,
    },
    /// When a learner asks its tail for the next part of its rows.
    Fetch {
        /// Which teaching: the epoch that named the learner.
        since: u64,
        /// The rows after this key; from the first where there is none.
        after: Option<Key>,
    },
    /// When a tail answers that.
    Rows {
        /// Of the `Fetch`.
        since: u64,
        /// Of the `Fetch`.
        after: Option<Key>,
        /// Lanes and data, in ascending order of keys, without gaps.
        rows: Vec<(Key, Row)>,
        /// Whether there are no others after these.
        last: bool,
        /// Up to where the tail had committed when it read these.
        committed: u64,
    },
    /// When a learner tells its tail how far it is, and asks for what has changed since.
    Caught {
        /// Which teaching.
        since: u64,
        /// It has the effects of every entry up to here.
        upto: u64,
        /// Whether it has every row, too.
        done: bool,
    },
    /// When a tail has committed entries that its learner lacks.
    Changes {
        /// Which teaching.
        since: u64,
        /// The index of the first of these entries; the others follow.
        from: u64,
        /// For each entry, the rows that it touched, *as they are now*: never operations, for an operation
        /// needs the row that it is applied to, and the learner may not have that yet. With them, from a tail
        /// that retains for members that return, goes the entry's own row.
        changes: Vec<Vec<(Key, Row)>>,
    },
    /// When views are decided, told, asked for and reported on: see [`coordinator`].
    Views(coordinator::Msg<View, Report>),
    /// When a replica may not list a stretch of keys, because one of them is dirty: the tail answers the client.
    ScanFor {
        /// Who asks; the answer goes there.
        client: Id,
        /// Of the `Scan`.
        ticket: u64,
        /// Of the `Scan`.
        after: Option<kv::Key>,
        /// Of the `Scan`.
        limit: u32,
    },
    /// When a learner that was a member, or had every row, asks its tail for no more than what came since.
    Resume {
        /// Which teaching.
        since: u64,
        /// It has the effects of every entry up to here.
        upto: u64,
        /// Whose operation the last of these is: another one is of another history.
        last: OpId,
    },
    /// When a tail answers that.
    Resumed {
        /// Of the `Resume`.
        since: u64,
        /// Whether the tail still has all that came since; else the learner begins anew.
        goes_on: bool,
    },
}

impl Entry {
    /// How many bytes of key and values it carries.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.op.bytes()
    }
}
