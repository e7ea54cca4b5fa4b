//! A quorum ring in which every key is a register that changes by consensus.
//!
//! Keys are placed by consistent hashing, as in DeCandia et al., "Dynamo: Amazon's Highly Available
//! Key-value Store" (SOSP '07): each on the N successive nodes of a ring ([`place`]), read and written at
//! majorities of them. What Dynamo merges afterwards, or leaves to its clients, is decided here: each
//! key is a *register* in the sense of Rystsov, "CASPaxos: Replicated State Machines without logs" (arXiv
//! 1802.07000), one instance of Paxos whose value changes from ballot to ballot. There is no log and no
//! leader. The *proposer* of an operation is the gateway that it came in through, the nodes are the
//! *acceptors*.
//!
//! # Messages
//!
//! | message | from → to | purpose | source |
//! |---|---|---|---|
//! | [`Opened`](Msg::Opened) | gateway → client | a gateway has started; what was under way through it is unknown | |
//! | [`Invoke`](Msg::Invoke) / [`Return`](Msg::Return) | client ↔ gateway | one operation and its outcome | |
//! | [`Read`](Msg::Read) / [`Vote`](Msg::Vote) | gateway ↔ node | what a register has accepted, and whether that is a vote | |
//! | [`Prepare`](Msg::Prepare) / [`Promise`](Msg::Promise) | gateway ↔ node | no lower ballot from now on; what was accepted last | 1802.07000 §2.2 |
//! | [`Accept`](Msg::Accept) / [`Accepted`](Msg::Accepted) | gateway ↔ node | the register's next content | 1802.07000 §2.2 |
//! | [`Refuse`](Msg::Refuse) | node → gateway | a higher ballot was promised | 1802.07000 §2.2 |
//! | [`Sweep`](Msg::Sweep) / [`Held`](Msg::Held) | node ↔ node | a tombstone, on its way to being purged | |
//! | [`Fetch`](Msg::Fetch) / [`Rows`](Msg::Rows) | newcomer ↔ old replica | registers of a span of the ring | |
//! | [`Compare`](Msg::Compare) / [`Compared`](Msg::Compared) | node ↔ node | whether both hold the same of a slice of the circle | |
//! | [`Want`](Msg::Want) / [`Copies`](Msg::Copies) | node ↔ node | registers that one of two replicas has missed | |
//! | [`Behind`](Msg::Behind) | gateway → node | a read shows that it has missed a write | |
//! | [`Scan`](Msg::Scan) / [`Scanned`](Msg::Scanned) | client ↔ node | a part of its keys; not linearizable | |
//! | [`Belong`](Msg::Belong) | operator → node | it is to join the ring, or to leave it | |
//! | [`Members`](Msg::Members) | member ↔ member | who is there: the table of [`membership`] | |
//! | [`Views`](Msg::Views) | node, gateway ↔ coordinator, and each other | which view holds, who has fetched all it must, who comes and goes: the table of [`coordinator`]; nodes and gateways answer [`Ask`](coordinator::Msg::Ask), too | |
//!
//! Messages may be lost, duplicated and reordered. Every message between gateways and nodes carries its
//! sender's epoch (a ballot begins with it), and is served in that same epoch only.
//!
//! # One write
//!
//! 1. The gateway takes a ballot that it has never used, and sends `Prepare` to the key's replicas.
//! 2. Each that has promised no higher one promises, durably, and tells what it has accepted.
//! 3. With promises of a *quorum* the gateway takes the content with the highest accepted ballot, applies
//!    the operation, and sends the next content with `Accept`.
//! 4. Each that has promised no higher ballot accepts, durably; with a quorum of `Accepted` the content is
//!    *chosen*, and the gateway replies.
//! 5. Refused, the gateway begins again with a higher ballot: at once if it was only behind what others have counted, after a
//!    random while if it has a rival.
//!
//! Why one content only is ever built upon: two quorums share a node. A content that was chosen with
//! ballot b is seen by every later `Prepare` with a higher ballot, because the shared node had accepted b
//! before it promised, or else it would have refused b. So each chosen content is made from the one chosen
//! before it, and the chosen contents of a key form one *lineage*.
//!
//! # One read
//!
//! The gateway asks all replicas. When a quorum *votes* for one and the same ballot, that content was
//! chosen, and it was the newest when the read began: any newer chosen one would show in one of the
//! answers. So one round is enough. Where no ballot has a quorum, some write is half done, or its gateway
//! is gone, and somebody may or may not build on it; a read that returned it, or the one before, would
//! have guessed. So the read *completes* it first: it prepares, and has the content that it finds accepted,
//! unchanged, by a quorum.
//!
//! # At most once
//!
//! An attempt that was refused may have taken effect all the same: one node accepted, and another
//! proposer built on that. So the content carries `recent`, the last K operations with their outcomes, and
//! a `version`, the number of operations in its lineage. An attempt that finds its operation in `recent`
//! knows that it has happened, and how. One that does not, and finds a version at most K beyond the
//! *smallest* that any of its attempts has seen, knows that it has not: an attempt that saw version v can
//! take effect as number v + 1 or not at all, and everything from there on is still in `recent`.
//! Otherwise its outcome is *unknown*.
//!
//! Where a quorum of promises votes for one ballot, its content is *chosen*, and the lineage up to there is
//! settled. If the operation is not in it, no attempt that saw less can take effect any more, and its version
//! is the smallest from then on: what counts against K is what others do from one attempt to the next, not
//! since the first. If it is in it, its client is told at once; and so is one whose operation is refused because of it
//! and has never been proposed (a proposal that saw more may still be built upon). Where the content
//! is not known to be chosen, what an attempt found, or why the operation is refused, is told only when the
//! register was accepted unchanged at a quorum: until then it may be a half-done write that nobody will ever
//! see again.
//!
//! # Deletes
//!
//! A deleted key leaves a *tombstone*, a content without value, because a replica that missed the delete
//! would otherwise bring the old value back. The nodes sweep: each shows its tombstones to the key's
//! other replicas, which take them as copies if they have nothing newer. A node purges a tombstone when
//! all replicas of a stable view hold it, and it has itself promised no higher ballot. What is missing
//! then is not empty: it reads as having promised the node's *ballot floor*, at its *version floor*. A
//! purge raises the first to the tombstone's ballot, so that no late duplicate of an older write is
//! accepted, and the second to K beyond the tombstone's version, so that a late retry of an operation that
//! was in its `recent` comes out as unknown rather than being applied again. (A gateway whose attempts
//! all came after the purge sees the floor as its base, and is not affected.)
//!
//! # Repairs
//!
//! A write ends at a quorum, and the replica that missed it would lack it until the next one. So the replicas of a
//! stable view compare what they hold, round after round, and each copies what it lacks: see `node/repair.rs`. A read
//! whose votes show that a replica is behind tells it so. What is copied is a copy, as in a fetch, and no vote.
//!
//! # Views
//!
//! See [`view`] for which may follow which, and for what coordinators choose. A lost announcement repairs
//! itself: nodes and gateways ask the coordinators from time to time, whoever gets a message of an older epoch
//! answers with its view, and whoever gets one of a newer epoch asks for that. In a joint view every quorum is a majority of the key's old
//! replica set and one of its new set. Whoever joins a set *fetches, then votes*: it discards what it held
//! there before, asks the old replicas in the new epoch, takes per key the content with the highest ballot
//! from a majority of them, and only then answers gateways. An old replica that answers has left the
//! epoch before, so nothing can be chosen there behind the newcomer's back. **A copy is not a vote**: a
//! content that was fetched was accepted by somebody, not by the newcomer; counted as a vote it would let
//! two readers find two quorums for two contents of which neither was chosen. It counts only if every
//! answer of that majority voted for the same ballot, for then it was chosen.
//!
//! Where sets of unequal size meet, an old replica that has to fetch too is one of its own sources, and
//! keeps what it holds: it is an acceptor of the old set, and forgetting would take a vote back.

mod actor;
mod bounds;
mod gateway;
mod node;
mod oracle;
pub mod place;
mod script;
pub mod view;

pub use actor::{RingActor, RingState};
pub use gateway::{Gateway, GatewayState, Lane, Pending, Phase};
pub use node::{Node, NodeState, Walk};
pub use oracle::{Oracle, OracleState};
pub use place::{Ring, Span};
pub use script::{Script, ScriptState};
pub use view::{Report, View};

pub use crate::nested::Nested;

use crate::coordinator;
use crate::kv::{self, Op, OpId, Outcome, Value};
use crate::membership;
use crate::store::OrderedKey;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

/// The longest key of a ring, in bytes: a row's key also holds the key's position, of 8 bytes.
pub const MAX_KEY_BYTES: usize = kv::MAX_KEY_BYTES - 8;

/// How many operations a register remembers, unless told otherwise.
pub const RECENT: usize = 16;

/// The number of an attempt to change a register. An epoch's ballots are higher than those of all epochs
/// before, so that nothing promised or sent there outranks a newer one.
///
/// Invariant: no two attempts of any operations share a ballot: `n` counts the attempts of one start of a
/// gateway.
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
    /// The last of those operations, the newest at the end. Invariant: all different, K at the most.
    pub recent: Vec<(OpId, Outcome)>,
}

/// One key at one node.
///
/// Invariants: `promised >= accepted`, and neither goes back in an epoch's span of serving; two registers
/// of a key that accepted the same ballot have equal contents.
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

/// What the actors of a ring say to each other; the [module's table](self) tells who to whom.
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

/// The timers of a ring's actors.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Timer {
    /// When an attempt of this lane has waited long for answers: ask again.
    Resend(u32),
    /// When an attempt of this lane was refused a random while ago: begin the next one.
    Backoff(u32),
    /// When an operation of this lane has taken too long: its client is told what is known.
    Deadline(u32),
    /// When a node looks for tombstones to purge.
    Sweep,
    /// When a newcomer has waited long for what it fetches, or for its report to matter.
    Fetch,
    /// When a node or a gateway has to ask whether there is a newer view.
    Follow,
    /// A coordinator's.
    Views(coordinator::Timer),
    /// A member's.
    Members(membership::Timer),
    /// When an oracle decides a view: the one at this place of its plan.
    Decide(u8),
    /// When a node compares the next slice of the circle with its other replicas.
    Repair,
}

/// How long to wait for what. Ranges are drawn from by the runtime, so that actors do not beat in step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Of [`Timer::Resend`].
    pub resend: Range<Duration>,
    /// Of [`Timer::Backoff`], the first time that an operation has to wait.
    pub backoff: Range<Duration>,
    /// How often the end of that range doubles, if it has to wait again.
    pub doublings: u32,
    /// Of [`Timer::Deadline`]; `None` waits for ever.
    pub deadline: Option<Duration>,
    /// Of [`Timer::Sweep`]; `None` keeps tombstones for ever.
    pub sweep: Option<Range<Duration>>,
    /// Of [`Timer::Repair`], from one round to the next; `None` leaves what was missed as it is.
    pub repair: Option<Range<Duration>>,
    /// Of [`Timer::Repair`], from one slice to the next, and after a start.
    pub slice: Range<Duration>,
    /// Of [`Timer::Fetch`].
    pub fetch: Range<Duration>,
    /// Of [`Timer::Follow`].
    pub follow: Range<Duration>,
    /// Of the coordinators' timers.
    pub views: coordinator::Timeouts,
}

impl Default for Timeouts {
    fn default() -> Self {
        let millis = |from, to| Duration::from_millis(from)..Duration::from_millis(to);
        Timeouts {
            resend: millis(100, 150),
            backoff: Duration::from_micros(500)..Duration::from_millis(2),
            doublings: 3,
            deadline: Some(Duration::from_secs(5)),
            sweep: Some(millis(10_000, 20_000)),
            repair: Some(millis(8_000, 12_000)),
            slice: millis(100, 150),
            fetch: millis(200, 300),
            follow: millis(400, 600),
            views: coordinator::Timeouts::default(),
        }
    }
}

/// The keys of a ring actor's store, a variant a table.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Key {
    /// The newest view that the actor has installed; holds a [`Row::View`].
    View,
    /// How what is missing reads; holds a [`Row::Floors`].
    Floors,
    /// Which start of the gateway this is; holds a [`Row::Incarnation`].
    Started,
    /// Whether an operator wants the node in the ring, if one has said so; holds a [`Row::Wanted`].
    Wanted,
    /// A coordinator's; holds a [`Row::Views`].
    Views(coordinator::Key),
    /// What is being fetched of the span that ends here; holds a [`Row::Transfer`].
    Transfer(u64),
    /// A tombstone, by position and key; holds a [`Row::Tombstone`].
    Tombstone(u64, kv::Key),
    /// A register, by position and key, so that a span is a range; holds a [`Row::Register`].
    Register(u64, kv::Key),
    /// A member's; holds a [`Row::Members`].
    Members(membership::Key),
}

/// The rows of a ring actor's store.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Row {
    /// At [`Key::View`].
    View(View),
    /// At [`Key::Floors`].
    Floors(Floors),
    /// At [`Key::Started`].
    Incarnation(u32),
    /// At [`Key::Wanted`].
    Wanted(bool),
    /// At [`Key::Views`].
    Views(coordinator::Row<View>),
    /// At [`Key::Transfer`].
    Transfer(Transfer),
    /// At [`Key::Tombstone`].
    Tombstone,
    /// At [`Key::Register`].
    Register(Register),
    /// At [`Key::Members`].
    Members(membership::Row),
}

/// How far a newcomer is with a span.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Transfer {
    /// Where the span begins.
    pub from: u64,
    /// Whether what was there before is forgotten. Invariant: nothing is asked for and nothing is given before that.
    pub begun: bool,
    /// The old replicas that have given everything. Invariant: not a majority of them.
    pub done: BTreeSet<Id>,
    /// Those that have given a part: everything up to this key.
    pub partly: BTreeMap<Id, (u64, kv::Key)>,
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
            _ => 32,
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
    /// The round, as papers count it: what `n` counts, but for the leaps of those who had to wait.
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

impl Floors {
    /// At least these.
    pub fn raise(&mut self, other: &Floors) {
        self.ballot = self.ballot.max(other.ballot);
        self.version = self.version.max(other.version);
    }
}

impl OrderedKey for Key {
    /// A byte that names the table, then the parts, numbers in big-endian order.
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Key::View => vec![0],
            Key::Floors => vec![1],
            Key::Started => vec![2],
            Key::Wanted => vec![3],
            Key::Views(coordinator::Key::Decided) => vec![4, 0],
            Key::Views(coordinator::Key::Vote) => vec![4, 1],
            Key::Transfer(upto) => [&[5], &upto.to_be_bytes()[..]].concat(),
            Key::Tombstone(at, key) => [&[6], &at.to_be_bytes()[..], key].concat(),
            Key::Register(at, key) => [&[7], &at.to_be_bytes()[..], key].concat(),
            Key::Members(membership::Key::Own) => vec![8, 0],
            Key::Members(membership::Key::Member(id)) => {
                let number = usize::from(*id) as u64;
                [&[8, 1], &number.to_be_bytes()[..]].concat()
            }
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (table, rest) = bytes.split_first()?;
        Some(match (table, rest) {
            (0, []) => Key::View,
            (1, []) => Key::Floors,
            (2, []) => Key::Started,
            (3, []) => Key::Wanted,
            (4, [0]) => Key::Views(coordinator::Key::Decided),
            (4, [1]) => Key::Views(coordinator::Key::Vote),
            (5, rest) => Key::Transfer(u64::from_be_bytes(rest.try_into().ok()?)),
            (6 | 7, rest) => {
                let (at, key) = rest.split_first_chunk()?;
                let (at, key) = (u64::from_be_bytes(*at), kv::Key::from(key));
                if *table == 6 { Key::Tombstone(at, key) } else { Key::Register(at, key) }
            }
            (8, [0]) => Key::Members(membership::Key::Own),
            (8, [1, number @ ..]) => {
                let number = usize::try_from(u64::from_be_bytes(number.try_into().ok()?));
                Key::Members(membership::Key::Member(number.ok()?.into()))
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_keys_sort_as_the_keys_do() {
        let mut keys = vec![
            Key::View,
            Key::Floors,
            Key::Started,
            Key::Wanted,
            Key::Views(coordinator::Key::Decided),
            Key::Views(coordinator::Key::Vote),
            Key::Transfer(1),
            Key::Transfer(256),
            Key::Tombstone(0, "".into()),
            Key::Tombstone(2, "a".into()),
            Key::Register(1, "b".into()),
            Key::Register(1, "ba".into()),
            Key::Register(u64::MAX, "a".into()),
            Key::Members(membership::Key::Own),
            Key::Members(membership::Key::Member(Id::from(1))),
            Key::Members(membership::Key::Member(Id::from(256))),
        ];
        for key in &keys {
            assert_eq!(Key::from_bytes(&key.to_bytes()).as_ref(), Some(key));
        }
        let sorted = keys.clone();
        keys.reverse();
        keys.sort_by_key(Key::to_bytes);
        assert_eq!(keys, sorted);
        for foreign in
            [&[][..], &[0, 0], &[3, 1], &[4, 2], &[9], &[7, 1, 2, 3], &[8, 2], &[8, 1, 7]]
        {
            assert_eq!(Key::from_bytes(foreign), None);
        }
        let longest = kv::Key::from(vec![0; MAX_KEY_BYTES]);
        assert_eq!(Key::Register(0, longest).to_bytes().len(), 511);
    }

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
