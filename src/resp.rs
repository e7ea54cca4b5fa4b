//! The RESP front door: any Redis client can talk to a node.
//!
//! A [`Server`] listens on a TCP port, speaks RESP2 and RESP3, and hands each operation on a key to
//! a [`Service`], which is the cluster: in a node the gateway actor, in a test a map behind a lock.
//! What an operation *means* is not decided here. `GET`, `SET`, `DEL`, `INCR` and so on are
//! translated into [`Op`]s and their [`Outcome`]s back into replies. Three rules make the
//! translation honest.
//!
//! **Order.** The replies of a connection come in the order of its commands. Operations on the
//! *same* key of one connection happen in the order in which they were sent: each begins when the
//! one before it has its outcome. Operations on *different* keys run side by side, so a pipeline
//! fills the cluster instead of waiting for one round trip after the other. Every key is
//! linearizable; a connection's operations on several keys are not a transaction, and neither are
//! `MGET`, `MSET`, `DEL k…` and `EXISTS k…`, which are one operation for each of their keys. A
//! pipelined command on another key may therefore take effect before an earlier one: wait for the
//! reply where that matters, as one does between any two keys of a sharded Redis. `SCAN`, `KEYS`
//! and `DBSIZE` wait for every operation sent before them, and hold up those sent after.
//!
//! **Three kinds of answers.** An operation that was refused changed nothing, and the reply is what
//! Redis' would be, or one of the errors below. An operation whose deadline passed is neither done
//! nor refused, and no Redis reply says so; it gets an error with a code word of its own:
//!
//! | reply | meaning |
//! |---|---|
//! | `UNKNOWN the operation may or may not have happened: …` | a write whose deadline passed, or, on a ring, one behind which too many others came before it was known. It may also happen later. Read the key before trying again, or use `SET … IFEQ` |
//! | `UNKNOWN of N keys: …` | a write of several keys, of which some were carried out or may have been, and some were not: how many of which |
//! | `TRYAGAIN …` | nothing was changed: a read that no replica could answer in time, a write that waited too long to be sent, or that a ring had not proposed by its deadline, or `SET … GET` that lost to other writers again and again |
//! | `ERR value of N bytes is longer than …` | refused before it was sent anywhere; the connection goes on |
//! | `ERR Protocol error: …` | bytes that make no sense, or a command beyond [`Limits::command_bytes`]; the connection ends |
//!
//! For a command on several keys the error counts them: carried out, not carried out, unknown
//! (`MSET`, `DEL`), or how many could not be read (`MGET`, `EXISTS`).
//!
//! **What is refused takes with it what depends on it.** There are no transactions: `MULTI` is
//! refused, and so is every command up to `EXEC` or `DISCARD`. `CLIENT REPLY` is carried out, since
//! without it replies would be taken for those of other commands.
//!
//! **The value before.** There is no operation that writes and returns what was there, so
//! `SET … GET` and `GETSET` are put together: read the key, then write only if it still is so
//! ([`Op::CompareAndSwap`] from the value read, or [`Op::Create`] if it was absent), and begin
//! again if it was not. The write that succeeds is one linearizable operation, and at the instant
//! at which it takes effect the key holds exactly what the reply says; that the key may have
//! changed and changed back since the read makes no difference, since the reply speaks of values
//! only. Where nothing is to be written (`NX` found a value, `XX` found none, `IFEQ` found another)
//! the read is the instant. Each attempt but the last was definitely refused, so giving up after
//! [`Limits::exchange_tries`] or [`Limits::exchange_time`] changes nothing and says `TRYAGAIN`. If
//! an attempt comes out unknown, the command is unknown: the loop must not go on, since a second
//! attempt could follow a first that did happen, write twice, and return its own value as the one
//! before. There is no `GETDEL`: a delete that depends on the value would need an operation that
//! the specification does not have.
//!
//! **Which replica answers reads** a connection chooses for itself: `CONFIG SET read-policy tail`
//! (strong reads at the tail), `any` (at the nearest member, through the tail while the key is
//! being written: as strong, and the default), or `eventual` (at the nearest member, from what it
//! has committed: **not linearizable**, and a read may see less than the one before it). Writes,
//! and the reads inside `SET … GET`, are not concerned.
//!
//! **Bounds.** Every byte from a socket is hostile. A connection has a bounded number of operations
//! in flight, of commands waiting, of bytes of replies waiting; when one bound is reached it is not
//! read any more until there is room, and TCP tells the client. A client that takes no replies may
//! be one that sends everything first: it is read up to [`Limits::waiting_bytes`], and beyond that
//! closed with an error. What all connections hold together is bounded by [`Limits::memory_bytes`]:
//! those that hold the most are closed. A command that was begun has to go on within
//! [`Limits::unfinished_time`]. Patterns are bounded and compiled once; long work is done in slices
//! of 2 ms, and ends when its reply will not fit or its client has gone. Connections themselves are
//! bounded. There are no passwords and no encryption; bind to an address where every program that
//! can connect may write. Requests from web pages (`POST`, `Host:`) end the connection, as in
//! Redis.

mod budget;
mod client;
mod command;
mod commands;
mod connection;
mod cursor;
mod fold;
mod glob;
mod group;
mod job;
mod left_out;
mod manual;
mod memo;
mod server;
mod service;
mod shared;
mod socket;
mod syntax;
mod tally;
mod wire;
mod words;

pub use manual::commands_md;
pub use server::Server;
pub use shared::Limits;

use chainring_model::chain::Reads;
use chainring_model::kv::{self, Key, Op, Outcome};
use std::future::Future;
use std::net::SocketAddr;

/// What the front door needs of the cluster behind it.
///
/// A connection clones its service for every operation, so a clone should be cheap. Dropping a
/// future gives its outcome up, not the operation: it may still happen.
pub trait Service: Clone + Send + Sync + 'static {
    /// The longest key that it takes, in bytes; longer ones are refused before anything is sent.
    const LONGEST_KEY: usize = kv::MAX_KEY_BYTES;

    /// Carries out one operation; `reads` says which replica may answer it, if it is a read.
    ///
    /// Ends by the operation's deadline at the latest, once it was sent: then a write that may have
    /// happened is [`Outcome::Unknown`], and a read, or a write that never can, is refused as
    /// [`Unavailable`](chainring_model::kv::Refusal::Unavailable).
    fn call(&self, key: Key, op: Op, reads: Reads) -> impl Future<Output = Outcome> + Send;

    /// A page of keys: up to `limit` keys from a position on, in an order of each part that never
    /// changes. `None` if no replica could answer in time.
    ///
    /// A key must be in it, unless the page ends before it, if it is there from before the page is
    /// asked for until it is made: so what was acknowledged before is seen. The next page's
    /// position is behind this page's, or in a later part; a page may be empty and have a next one.
    fn scan(&self, from: Position, limit: usize) -> impl Future<Output = Option<ScanPage>> + Send;

    /// How many keys there are: each that is there throughout is counted, and none that is absent
    /// throughout. `None` if no replica could answer in time.
    fn size(&self) -> impl Future<Output = Option<u64>> + Send;

    /// What the node says about itself in `INFO`: sections, each a name and its lines.
    fn info(&self) -> Vec<(String, Lines)>;

    /// Where clients find the nodes, as `SENTINEL` tells it. Nothing where there is no node.
    fn doors(&self) -> Doors {
        Doors::default()
    }

    /// What `CHAINRING STATUS` replies, which is JSON. `None` where there is no node.
    fn status(&self) -> Option<String> {
        None
    }

    /// What an operator wants, as `CHAINRING LEAVE` and its like say it. It is on its way when this
    /// returns, not done.
    ///
    /// # Errors
    /// Why it cannot be: a sentence.
    fn order(&self, order: Order) -> Result<(), String> {
        let _ = order;
        Err("there is no node behind this door".to_string())
    }
}

/// The lines of a section of `INFO`: names and values.
pub type Lines = Vec<(String, String)>;

/// What operators want of a node, as `CHAINRING LEAVE` and its like say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// That it becomes a member, or stops being one.
    Belong(bool),
    /// That coordinators give up the nodes that are gone, in the epoch that the operator saw: of
    /// these replicas, or of all if none is named.
    Reform(u64, Vec<u32>),
    /// That a chain, whose only member in this epoch is lost, begins anew from what this node
    /// holds.
    BeginAnew(u64),
}

/// Where the front doors of a cluster are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Doors {
    /// This node's, as the cluster file has it.
    pub own: Option<SocketAddr>,
    /// Those of the other nodes, by number.
    pub others: Vec<(u32, SocketAddr)>,
}

/// A place in the order in which a service lists its keys: part after part, and in each behind some
/// key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// Which part, from 0: a cluster has one for each chain.
    pub part: usize,
    /// Behind this key; before the first one if there is none.
    pub after: Option<Key>,
}

/// A page of keys.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ScanPage {
    /// The keys, in order.
    pub keys: Vec<Key>,
    /// Where the next page begins; `None` behind the last one.
    pub next: Option<Position>,
}
