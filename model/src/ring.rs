//! A quorum ring in which every key is a register that changes by consensus.
//!
//! Keys are placed by consistent hashing, as in DeCandia et al., "Dynamo: Amazon's Highly Available
//! Key-value Store" (SOSP '07): each on the N successive nodes of a ring ([`place`]), read and
//! written at majorities of them. What Dynamo merges afterwards, or leaves to its clients, is
//! decided here: each key is a *register* in the sense of Rystsov, "CASPaxos: Replicated State
//! Machines without logs" (arXiv 1802.07000), one instance of Paxos whose value changes from ballot
//! to ballot. There is no log and no leader. The *proposer* of an operation is the gateway that it
//! came in through, the nodes are the *acceptors*.
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
//! | [`Members`](Msg::Members) | member ↔ member | which members are there: the table of [`membership`] | |
//! | [`Views`](Msg::Views) | node, gateway ↔ coordinator, and each other | which view holds; which nodes have fetched all they must, come and go: the table of [`coordinator`]; nodes and gateways answer [`Ask`](crate::coordinator::Msg::Ask), too | |
//!
//! Messages may be lost, duplicated and reordered. Every message between gateways and nodes carries
//! its sender's epoch (a ballot begins with it), and is served in that same epoch only.
//!
//! # One write
//!
//! 1. The gateway takes a ballot that it has never used, and sends `Prepare` to the key's replicas.
//! 2. Each that has promised no higher one promises, durably, and tells what it has accepted.
//! 3. With promises of a *quorum* the gateway takes the content with the highest accepted ballot,
//!    applies the operation, and sends the next content with `Accept`.
//! 4. Each that has promised no higher ballot accepts, durably; with a quorum of `Accepted` the
//!    content is *chosen*, and the gateway replies.
//! 5. Refused, the gateway begins again with a higher ballot: at once if it was only behind what
//!    others have counted, after a random while if it has a rival.
//!
//! Why one content only is ever built upon: two quorums share a node. A content that was chosen
//! with ballot b is seen by every later `Prepare` with a higher ballot, because the shared node had
//! accepted b before it promised, or else it would have refused b. So each chosen content is made
//! from the one chosen before it, and the chosen contents of a key form one *lineage*.
//!
//! # One read
//!
//! The gateway asks all replicas. When a quorum *votes* for one and the same ballot, that content
//! was chosen, and it was the newest when the read began: any newer chosen one would show in one of
//! the answers. So one round is enough. Where no ballot has a quorum, some write is half done, or
//! its gateway is gone, and a proposer may or may not build on it; a read that returned it, or the
//! one before, would have guessed. So the read *completes* it first: it prepares, and has the
//! content that it finds accepted, unchanged, by a quorum.
//!
//! # At most once
//!
//! An attempt that was refused may have taken effect all the same: one node accepted, and another
//! proposer built on that. So the content carries `recent`, the last K operations with their
//! outcomes, and a `version`, the number of operations in its lineage. An attempt that finds its
//! operation in `recent` knows that it has happened, and how. One that does not, and finds a
//! version at most K beyond the *smallest* that any of its attempts has seen, knows that it has
//! not: an attempt that saw version v can take effect as number v + 1 or not at all, and everything
//! from there on is still in `recent`. Otherwise its outcome is *unknown*.
//!
//! Where a quorum of promises votes for one ballot, its content is *chosen*, and the lineage up to
//! there is settled. If the operation is not in it, no attempt that saw less can take effect any
//! more, and its version is the smallest from then on: what counts against K is what others do from
//! one attempt to the next, not since the first. If it is in it, its client is told at once; and so
//! is one whose operation is refused because of it and has never been proposed (a proposal that saw
//! more may still be built upon). Where the content is not known to be chosen, what an attempt
//! found, or why the operation is refused, is told only when the register was accepted unchanged at
//! a quorum: until then it may be a half-done write that no proposer will ever see again.
//!
//! # Deletes
//!
//! A deleted key leaves a *tombstone*, a content without value, because a replica that missed the
//! delete would otherwise bring the old value back. The nodes sweep: each shows its tombstones to
//! the key's other replicas, which take them as copies if they have nothing newer. A node purges a
//! tombstone when all replicas of a stable view hold it, and it has itself promised no higher
//! ballot. What is missing then is not empty: it reads as having promised the node's *ballot
//! floor*, at its *version floor*. A purge raises the first to the tombstone's ballot, so that no
//! late duplicate of an older write is accepted, and the second to K beyond the tombstone's
//! version, so that a late retry of an operation that was in its `recent` comes out as unknown
//! rather than being applied again. (A gateway whose attempts all came after the purge sees the
//! floor as its base, and is not affected.)
//!
//! # Repairs
//!
//! A write ends at a quorum, and the replica that missed it would lack it until the next one. So
//! the replicas of a stable view compare what they hold, round after round, and each copies what it
//! lacks: see `node/repair.rs`. A read whose votes show that a replica is behind tells it so. What
//! is copied is a copy, as in a fetch, and no vote.
//!
//! # Views
//!
//! See [`view`] for which may follow which, and for what coordinators choose. A lost announcement
//! repairs itself: nodes and gateways ask the coordinators from time to time; an actor that gets a
//! message of an older epoch answers with its view, and one that gets a message of a newer epoch
//! asks for that. In a joint view every quorum is a majority of the key's old replica set and one
//! of its new set. A node that joins a set *fetches, then votes*: it discards what it held there
//! before, asks the old replicas in the new epoch, takes per key the content with the highest
//! ballot from a majority of them, and only then answers gateways. An old replica that answers has
//! left the epoch before, so nothing can be chosen there behind the newcomer's back. **A copy is
//! not a vote**: a content that was fetched was accepted by another node, not by the newcomer;
//! counted as a vote it would let two readers find two quorums for two contents of which neither
//! was chosen. It counts only if every answer of that majority voted for the same ballot, for then
//! it was chosen.
//!
//! Where sets of unequal size meet, an old replica that has to fetch too is one of its own sources,
//! and keeps what it holds: it is an acceptor of the old set, and forgetting would take a vote
//! back.
//!
//! [`coordinator`]: crate::coordinator
//! [`membership`]: crate::membership

mod actor;
mod bounds;
mod gateway;
pub mod msg;
mod node;
mod obsolete;
mod oracle;
pub mod place;
mod register;
mod rows;
mod script;
mod timeouts;
pub mod view;

pub use crate::nested::Nested;
pub use actor::{RingActor, RingState};
pub use gateway::{Gateway, GatewayState, Lane, Pending, Phase};
pub use msg::{Copied, Digest, Listed, Msg, Slice};
pub use node::{Node, NodeState, SPANS, Walk};
pub use oracle::{Oracle, OracleState};
pub use place::{Ring, Span};
pub use register::{Ballot, Content, Floors, RECENT, Register};
pub use rows::{Key, MAX_KEY_BYTES, Row, Transfer};
pub use script::{Script, ScriptState};
pub use timeouts::{Timeouts, Timer};
pub use view::{Report, View};
