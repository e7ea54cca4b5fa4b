//! Chain replication.
//!
//! van Renesse & Schneider, "Chain Replication for Supporting High Throughput and Availability"
//! (OSDI '04), with reads of clean keys at every replica as in Terrace & Freedman, "Object Storage
//! on CRAQ" (USENIX ATC '09). Replicas stand in a line. Updates enter at the *head*, each replica
//! passes them to its *successor*, and an update is *committed* when the *tail* has it: then every
//! replica has it. The tail replies, and acknowledgements travel back up.
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
//! | [`Views`](Msg::Views) | replica, gateway ↔ coordinator | which view holds; which members live, may answer reads, want to join, are ready: the table of [`coordinator`] | OSDI '04 §3.1 |
//!
//! Messages may be lost, duplicated and reordered. `Update`, `Missing` and `Ack` carry the epoch of
//! their sender's view, and a replica takes them only in that same epoch. The messages between a
//! learner and its tail carry the epoch that named the learner. Requests, replies and listings
//! carry none: a replica answers by the view that it has.
//!
//! # One write
//!
//! 1. A client invokes it; the gateway names it with an [`OpId`], and sends a `Request` to the
//!    head.
//! 2. The head appends it to its log, saves, and sends an `Update` to its successor.
//! 3. Each replica does the same, at the same index, until the tail has it: it is committed.
//! 4. The tail applies it, sends the `Reply` to the gateway and an `Ack` to its predecessor.
//! 5. Each replica that gets the `Ack` applies the entry, trims its log, and acknowledges in turn.
//!
//! [`OpId`]: crate::kv::OpId
//! [`coordinator`]: crate::coordinator

mod actor;
mod bounds;
mod gateway;
mod lease;
pub mod msg;
mod obsolete;
mod replica;
mod rows;
mod script;
mod timeouts;
mod view;
mod window;

pub use crate::nested::Nested;
pub use actor::{ChainActor, ChainState};
pub use gateway::{Gateway, GatewayState};
pub use lease::{Heartbeat, Lease};
pub use msg::{Entry, Msg, Reads};
pub use replica::{Held, Place, Replica, ReplicaState, SCAN_KEYS, Transfer, retained_bytes};
pub use rows::{Key, Row};
pub use script::{Script, ScriptState};
pub use timeouts::{Timeouts, Timer};
pub use view::{Report, View};
pub use window::Window;
