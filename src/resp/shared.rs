//! What the connections of a server share, and what it takes on at most.

use super::budget::Budget;
use super::client::Clients;
use super::cursor::Cursors;
use super::job::Patience;
use super::memo::Memo;
use super::wire::Bounds;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What the front door takes on at most.
///
/// A connection holds up to [`command_bytes`](Limits::command_bytes) of one command,
/// [`buffered_bytes`](Limits::buffered_bytes) of replies, and the values that its
/// [`operations`](Limits::operations) in flight bring; one that takes no replies holds up to
/// [`waiting_bytes`](Limits::waiting_bytes) of commands and as much of replies. All of them
/// together hold up to [`memory_bytes`](Limits::memory_bytes).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time; one more is told so and closed.
    pub connections: usize,
    /// Operations in flight, and commands without their reply, of one connection; beyond that it is
    /// not read.
    pub operations: usize,
    /// Bytes of replies that wait for one connection's client; beyond that no command is carried
    /// out, unless the client takes none.
    pub buffered_bytes: usize,
    /// Bytes of commands that wait while a client takes no replies, and of replies that it does not
    /// take; beyond that it is told so and closed.
    pub waiting_bytes: usize,
    /// Bytes that all connections may hold; beyond that those that hold the most are closed.
    pub memory_bytes: usize,
    /// How long a command that was begun may stand still.
    pub unfinished_time: Duration,
    /// The longest command, all of its arguments together; a longer one ends the connection.
    pub command_bytes: usize,
    /// The most arguments of a command; more end the connection.
    pub arguments: usize,
    /// The longest reply of a command on several keys; it becomes an error.
    pub reply_bytes: usize,
    /// The most keys on a page of `SCAN`.
    pub scan_page: usize,
    /// The most keys that `KEYS` returns; more become an error.
    pub keys: usize,
    /// How many cursors are remembered.
    pub cursors: usize,
    /// How often `SET … GET` begins again because another client came between.
    pub exchange_tries: usize,
    /// How long it goes on beginning again.
    pub exchange_time: Duration,
    /// How long a shutdown waits for operations in flight and for clients to take their replies.
    pub drain_time: Duration,
}

/// What the connections of a server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) started: Instant,
    /// How many connections there have been.
    pub(super) connections: AtomicU64,
    /// How many of them were one too many.
    pub(super) rejected: AtomicU64,
    /// How many commands were read.
    pub(super) commands: AtomicU64,
    /// How many bytes came, and went.
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    /// The clients that are connected.
    pub(super) clients: Arc<Clients>,
    /// What `INFO` remembers.
    pub(super) memo: Memo,
    /// What all connections hold.
    pub(super) budget: Arc<Budget>,
    pub(super) places: Arc<Semaphore>,
    cursors: Mutex<Cursors>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 10_000,
            operations: 128,
            buffered_bytes: 1 << 20,
            waiting_bytes: 64 << 20,
            memory_bytes: 256 << 20,
            unfinished_time: Duration::from_secs(60),
            command_bytes: 64 << 20,
            arguments: 1 << 17,
            reply_bytes: 64 << 20,
            scan_page: 1_000,
            keys: 100_000,
            cursors: 16_384,
            exchange_tries: 64,
            exchange_time: Duration::from_secs(5),
            drain_time: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// What a request may measure.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { bytes: self.command_bytes, arguments: self.arguments }
    }

    /// When an exchange gives up.
    pub(super) fn patience(&self) -> Patience {
        Patience { tries: self.exchange_tries.max(1), time: self.exchange_time }
    }
}

impl Shared {
    pub(super) fn new(mut limits: Limits) -> Self {
        // Without room for one, nothing would ever happen.
        limits.operations = limits.operations.max(1);
        limits.buffered_bytes = limits.buffered_bytes.max(1);
        // The longest command has to fit.
        limits.waiting_bytes = limits.waiting_bytes.max(limits.command_bytes);
        limits.scan_page = limits.scan_page.max(1);
        limits.connections = limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        Shared {
            started: Instant::now(),
            connections: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            clients: Arc::default(),
            memo: Memo::default(),
            budget: Arc::new(Budget::new(limits.memory_bytes, limits.reply_bytes)),
            places: Arc::new(Semaphore::new(limits.connections)),
            cursors: Mutex::new(Cursors::new(limits.cursors)),
            limits,
        }
    }

    pub(super) fn connected(&self) -> usize {
        self.limits.connections - self.places.available_permits()
    }

    pub(super) fn cursors(&self) -> MutexGuard<'_, Cursors> {
        // Nothing in there can be left half done by a panic that matters: at worst a cursor is
        // lost.
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
