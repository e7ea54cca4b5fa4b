//! Chain replication.
//!
//! van Renesse & Schneider, "Chain Replication for Supporting High Throughput and Availability"
//! (OSDI '04), with reads of clean keys at every replica as in Terrace & Freedman, "Object Storage on
//! CRAQ" (USENIX ATC '09). Replicas stand in a line. Updates enter at the *head*, each replica passes
//! them to its *successor*, and an update is *committed* when the *tail* has it: then every replica has
//! it. The tail replies, and acknowledgements travel back up.
//!
//! # Messages
//!
//! | message | from → to | purpose | source |
//! |---|---|---|---|
//! | [`Opened`](Msg::Opened) | gateway → client | a gateway has started; what was under way through it is unknown | |
//! | [`Invoke`](Msg::Invoke) / [`Return`](Msg::Return) | client ↔ gateway | one operation and its outcome | |
//! | [`Request`](Msg::Request) | gateway → head (writes), any replica (reads); replica → tail (dirty reads) | one operation | OSDI '04 §3, ATC '09 §2.3 |
//! | [`Reply`](Msg::Reply) | tail (writes), any replica (reads), head (duplicates) → gateway | its outcome | OSDI '04 §3 |
//! | [`Redirect`](Msg::Redirect) | replica → gateway | the sender's view, where the request should have gone | |
//! | [`Update`](Msg::Update) | predecessor → successor | the entry at an index of the log | OSDI '04 §3 |
//! | [`Missing`](Msg::Missing) | successor → predecessor | asks for the entries from an index on | |
//! | [`Ack`](Msg::Ack) | successor → predecessor | everything up to an index is committed | OSDI '04 §3.3 |
//! | [`Scan`](Msg::Scan) / [`Scanned`](Msg::Scanned) | client ↔ replica | a page of keys, as of one moment | ATC '09 §2.3, for a stretch of keys |
//! | [`ScanFor`](Msg::ScanFor) | replica → tail | the same, of a stretch with a dirty key | |
//! | [`Fetch`](Msg::Fetch) / [`Rows`](Msg::Rows) | learner ↔ tail | the tail's rows, part after part | OSDI '04 §3.3, "extending a chain" |
//! | [`Caught`](Msg::Caught) / [`Changes`](Msg::Changes) | learner ↔ tail | what the tail has committed meanwhile | |
//! | [`Resume`](Msg::Resume) / [`Resumed`](Msg::Resumed) | learner ↔ tail | whether that suffices, for a member that returns | |
//! | [`Views`](Msg::Views) | replica, gateway ↔ coordinator | which view holds, who lives, who may answer reads, who wants to join, who is ready: the table of [`coordinator`] | OSDI '04 §3.1 |
//!
//! Messages may be lost, duplicated and reordered. Every message of the chain carries the epoch of its
//! sender's view, and a replica takes it only in that same epoch.
//!
//! # One write
//!
//! 1. A client invokes it; the gateway names it with an [`OpId`], and sends a `Request` to the head.
//! 2. The head appends it to its log, saves, and sends an `Update` to its successor.
//! 3. Each replica does the same, at the same index, until the tail has it: it is committed.
//! 4. The tail applies it, sends the `Reply` to the gateway and an `Ack` to its predecessor.
//! 5. Each replica that gets the `Ack` applies the entry, trims its log, and acknowledges in turn.

mod actor;
mod gateway;
mod lease;
mod replica;
mod script;
mod view;
mod window;

pub use crate::nested::Nested;
pub use actor::{ChainActor, ChainState};
pub use gateway::{Gateway, GatewayState};
pub use lease::{Heartbeat, Lease};
pub use replica::{Held, Place, Replica, ReplicaState, SCAN_KEYS, Transfer, retained_bytes};
pub use script::{Script, ScriptState};
pub use view::{Report, View};
pub use window::Window;

use crate::coordinator;
use crate::kv::{self, Op, OpId, Outcome, Value};
use crate::store::OrderedKey;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::ops::Range;
use std::time::Duration;

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

/// What the actors of a chain say to each other; the [module's table](self) tells who to whom.
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

/// The timers of a chain's actors.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Timer {
    /// When a replica's successor has acknowledged nothing for a while: send the window again.
    Resend,
    /// When a replica has to say that it lives.
    Heartbeat,
    /// When the time of a heartbeat, and of the lease that it became, is over: one of a few that take turns.
    Lapse(u8),
    /// When a tail has heard nothing from its learner for a long time.
    Silence,
    /// When a learner goes on, or asks again.
    Learn,
    /// When a gateway has to ask whether there is a newer view.
    Follow,
    /// A coordinator's.
    Views(coordinator::Timer),
    /// When an operation of this lane had no reply for a while: send it again.
    Retry(u32),
    /// When an operation of this lane has taken too long: its client is told what is known.
    Deadline(u32),
}

/// How long to wait for what. Ranges are drawn from by the runtime, so that actors do not beat in step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Of [`Timer::Resend`].
    pub resend: Range<Duration>,
    /// How often the wait before sending again doubles at the most, while nothing is acknowledged.
    pub resend_doublings: u32,
    /// How often in a row the window is sent again, with nothing heard at all from the successor, before a replica
    /// reports that; with it, a tail reports a learner that it hears nothing from. `None` reports neither.
    pub unheard: Option<u32>,
    /// Of [`Timer::Retry`].
    pub retry: Range<Duration>,
    /// Of [`Timer::Deadline`]; `None` waits for ever.
    pub deadline: Option<Duration>,
    /// Of [`Timer::Follow`].
    pub follow: Range<Duration>,
    /// Of everything about views and leases.
    pub views: coordinator::Timeouts,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            resend: Duration::from_millis(40)..Duration::from_millis(60),
            resend_doublings: 5,
            unheard: Some(6),
            retry: Duration::from_millis(200)..Duration::from_millis(300),
            deadline: Some(Duration::from_secs(5)),
            follow: Duration::from_millis(200)..Duration::from_millis(300),
            views: coordinator::Timeouts::default(),
        }
    }
}

/// The keys of a chain actor's store, a variant a table.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Key {
    /// The newest view that the replica or gateway has installed; holds a [`Row::View`].
    View,
    /// Up to where the log is applied; holds a [`Row::Committed`].
    Committed,
    /// Which start of the gateway or replica this is; holds a [`Row::Incarnation`].
    Started,
    /// The last operation applied of a gateway's lane; holds a [`Row::Lane`].
    Lane(Id, u32),
    /// An entry that is received and not yet known committed, which holds a [`Row::Entry`]; or one that is
    /// committed, and *retained* for a learner or for a member that returns, which holds a [`Row::Touched`].
    Log(u64),
    /// A client's key; holds a [`Row::Data`].
    Data(kv::Key),
    /// A coordinator's; holds a [`Row::Views`].
    Views(coordinator::Key),
    /// How far this replica is in a transfer to, or from, a learner; holds a [`Row::Transfer`].
    Transfer,
    /// A client's key that was deleted while a learner's scan had not come to it; holds a
    /// [`Row::Tombstone`].
    Tombstone(kv::Key),
}

/// The rows of a chain actor's store.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Row {
    /// At [`Key::View`].
    View(View),
    /// At [`Key::Committed`].
    Committed {
        /// Everything up to here is applied.
        index: u64,
        /// How many client keys are present.
        keys: u64,
    },
    /// At [`Key::Started`].
    Incarnation(u32),
    /// At [`Key::Lane`].
    Lane {
        /// The gateway's incarnation in which the operation was invoked.
        incarnation: u32,
        /// Its number in the lane.
        seq: u64,
        /// Its outcome, to answer a retry with.
        outcome: Outcome,
    },
    /// At [`Key::Log`].
    Entry(Entry),
    /// At [`Key::Data`].
    Data {
        /// The index of the update that wrote it.
        index: u64,
        /// What the key holds.
        value: Value,
    },
    /// At [`Key::Views`].
    Views(coordinator::Row<View>),
    /// At [`Key::Transfer`].
    Transfer(Transfer),
    /// At [`Key::Tombstone`].
    Tombstone {
        /// Up to where the tail had committed when the key was absent there.
        index: u64,
    },
    /// At [`Key::Log`], of what is committed: which rows the entry touched.
    Touched {
        /// Whose operation it was: its lane is one of the rows.
        id: OpId,
        /// The client's key is the other one.
        key: kv::Key,
    },
}

impl Row {
    /// How many bytes of keys and values it carries.
    pub fn bytes(&self) -> usize {
        match self {
            Row::Data { value, .. } => value.len(),
            Row::Entry(entry) => entry.bytes(),
            Row::Touched { key, .. } => key.len(),
            _ => 0,
        }
    }

    /// The operation of an entry in the log.
    pub fn operation(&self) -> Option<OpId> {
        match self {
            Row::Entry(entry) => Some(entry.id),
            Row::Touched { id, .. } => Some(*id),
            _ => None,
        }
    }
}

impl Entry {
    /// How many bytes of key and values it carries.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.op.bytes()
    }
}

impl OrderedKey for Key {
    /// A byte that names the table, then the parts, numbers in big-endian order.
    fn to_bytes(&self) -> Vec<u8> {
        let id_bytes = |id: &Id| (usize::from(*id) as u64).to_be_bytes();
        match self {
            Key::View => vec![0],
            Key::Committed => vec![1],
            Key::Started => vec![2],
            Key::Lane(id, lane) => [&[3], &id_bytes(id)[..], &lane.to_be_bytes()].concat(),
            Key::Log(index) => [&[4], &index.to_be_bytes()[..]].concat(),
            Key::Data(key) => [&[5], &key[..]].concat(),
            Key::Views(coordinator::Key::Decided) => vec![6, 0],
            Key::Views(coordinator::Key::Vote) => vec![6, 1],
            Key::Transfer => vec![7],
            Key::Tombstone(key) => [&[8], &key[..]].concat(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let id_of = |bytes: [u8; 8]| Id::from(u64::from_be_bytes(bytes) as usize);
        let (table, rest) = bytes.split_first()?;
        Some(match (table, rest) {
            (0, []) => Key::View,
            (1, []) => Key::Committed,
            (2, []) => Key::Started,
            (3, rest) => {
                let (id, lane) = rest.split_first_chunk()?;
                Key::Lane(id_of(*id), u32::from_be_bytes(lane.try_into().ok()?))
            }
            (4, rest) => Key::Log(u64::from_be_bytes(rest.try_into().ok()?)),
            (5, key) => Key::Data(key.into()),
            (6, [0]) => Key::Views(coordinator::Key::Decided),
            (6, [1]) => Key::Views(coordinator::Key::Vote),
            (7, []) => Key::Transfer,
            (8, key) => Key::Tombstone(key.into()),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_keys_sort_as_the_keys_do() {
        let id = |n: usize| Id::from(n);
        let mut keys = vec![
            Key::View,
            Key::Committed,
            Key::Started,
            Key::Lane(id(1), 2),
            Key::Lane(id(1), 256),
            Key::Lane(id(2), 0),
            Key::Lane(id(256), 0),
            Key::Log(1),
            Key::Log(u64::MAX),
            Key::Data("".into()),
            Key::Data("a".into()),
            Key::Data("ab".into()),
            Key::Views(coordinator::Key::Decided),
            Key::Views(coordinator::Key::Vote),
            Key::Transfer,
            Key::Tombstone("a".into()),
        ];
        for key in &keys {
            assert_eq!(Key::from_bytes(&key.to_bytes()).as_ref(), Some(key));
        }
        let sorted = keys.clone();
        keys.reverse();
        keys.sort_by_key(Key::to_bytes);
        assert_eq!(keys, sorted);
        for foreign in [&[][..], &[0, 0], &[3, 1], &[9], &[4, 1, 2, 3]] {
            assert_eq!(Key::from_bytes(foreign), None);
        }
    }
}
