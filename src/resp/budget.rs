//! One bound for what all connections of a node hold.
//!
//! Each connection is bounded, and many connections at their bounds would still be more than a node
//! has. So each keeps an account of what it holds: input that is no whole command yet, commands
//! that wait, answers and replies that wait for their client. Where all of them together exceed
//! [`Limits::memory`], the connections that hold the most are closed until the rest fits, as Redis
//! does with `maxmemory-clients`. So a few that misbehave do not end a node, and cost the many that
//! behave nothing.
//!
//! Large replies that behave are not to come to that: twenty clients that each read 60 MiB are
//! served in turn. A connection that gathers more than [`BULK`] bytes for one reply waits for one
//! of a few *turns*, and keeps it until the reply has gone out, or until its client takes nothing
//! of it. And reads that are expected to be answered at length are under way together only as far
//! as [`UNDER_WAY`] bytes go.
//!
//! [`Limits::memory`]: super::Limits::memory

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// A reply of more bytes needs a turn.
pub(super) const BULK: usize = 1 << 20;

/// How many KiB of answers may be expected from reads under way.
pub(super) const UNDER_WAY: u32 = 8 << 10;

/// How long a turn is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the connections of a server may hold together.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    /// What all accounts that are not told to close hold.
    used: AtomicUsize,
    closed: AtomicUsize,
    accounts: Mutex<HashMap<u64, Arc<Entry>>>,
    turns: Arc<Semaphore>,
    kibibytes: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Entry {
    bytes: AtomicUsize,
    /// Whether it was told to close; then its bytes are not in `used` any more.
    closing: AtomicBool,
    told: Notify,
}

/// What one connection holds. It is closed when this goes.
#[derive(Debug)]
pub(super) struct Account {
    budget: Arc<Budget>,
    number: u64,
    entry: Arc<Entry>,
}

impl Budget {
    /// A budget of so many bytes, where one reply may have `reply` of them.
    pub(super) fn new(limit: usize, reply: usize) -> Self {
        // Half for replies that are made or read just now, and half for all the rest.
        let turns = (limit / 2 / reply.max(1)).clamp(1, 16);
        Budget {
            limit,
            used: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            accounts: Mutex::default(),
            turns: Arc::new(Semaphore::new(turns)),
            kibibytes: Arc::new(Semaphore::new(UNDER_WAY as usize)),
        }
    }

    /// An account for the connection of this number.
    pub(super) fn open(self: &Arc<Self>, number: u64) -> Account {
        let entry = Arc::new(Entry::default());
        self.accounts().insert(number, Arc::clone(&entry));
        Account { budget: Arc::clone(self), number, entry }
    }

    /// How many bytes all connections hold.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How many connections were closed because they held the most.
    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }

    /// A turn to gather a large reply, or to list keys; `None` if there is none for long.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        tokio::time::timeout(PATIENCE, turn).await.ok()?.ok()
    }

    /// Room for an answer of about so many bytes to be under way; `None` if there is none for long.
    pub(super) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kibibytes = u32::try_from(bytes / 1024 + 1).unwrap_or(UNDER_WAY).min(UNDER_WAY);
        let room = Arc::clone(&self.kibibytes).acquire_many_owned(kibibytes);
        tokio::time::timeout(PATIENCE, room).await.ok()?.ok()
    }

    /// Tells those that hold the most to close, until the rest fits.
    fn relieve(&self) {
        let accounts = self.accounts();
        while self.used() > self.limit {
            let open = accounts.iter().filter(|(_, entry)| !entry.is_closing());
            let largest = open.max_by_key(|(_, entry)| entry.bytes.load(Ordering::Relaxed));
            let Some((number, entry)) = largest else { return };
            entry.closing.store(true, Ordering::Relaxed);
            let bytes = entry.bytes.swap(0, Ordering::Relaxed);
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            self.closed.fetch_add(1, Ordering::Relaxed);
            entry.told.notify_one();
            let limit = self.limit;
            tracing::warn!(
                connection = number,
                bytes,
                limit,
                "all connections together hold too much; the one that holds the most is closed"
            );
        }
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<u64, Arc<Entry>>> {
        // No code that holds this lock can panic half way through a change.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

impl Account {
    /// Notes what the connection holds now.
    pub(super) fn note(&self, bytes: usize) {
        let Account { budget, entry, .. } = self;
        if entry.bytes.load(Ordering::Relaxed) == bytes {
            return;
        }
        // Under the lock, so that an account that is told to close meanwhile is not counted again.
        let accounts = budget.accounts();
        if entry.is_closing() {
            return;
        }
        let before = entry.bytes.swap(bytes, Ordering::Relaxed);
        budget.used.fetch_add(bytes, Ordering::Relaxed);
        let used = budget.used.fetch_sub(before, Ordering::Relaxed) - before;
        drop(accounts);
        if used > budget.limit {
            budget.relieve();
        }
    }

    /// Waits until the connection is to close because it holds the most.
    pub(super) async fn told(&self) {
        while !self.entry.is_closing() {
            self.entry.told.notified().await;
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.note(0);
        self.budget.accounts().remove(&self.number);
    }
}

/// How many reads of one connection are under way together, by what they were lately answered with.
///
/// A connection begins with a few. Each small answer makes the window wider by one, up to the bound
/// of all operations; a large one makes it as narrow as [`Window::BYTES`] allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    width: usize,
    expected: usize,
}

impl Window {
    /// What the reads of one connection may be answered with together.
    const BYTES: usize = 2 << 20;
    /// An answer of more bytes is a large one.
    const LARGE: usize = 32 << 10;

    /// Before the first answer.
    pub(super) fn new() -> Self {
        Window { width: 2, expected: 0 }
    }

    /// How many reads may be under way.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// What a read is expected to be answered with, if that is much.
    pub(super) fn expects(&self) -> Option<usize> {
        (self.expected > Self::LARGE).then_some(self.expected)
    }

    /// Learns from an answer.
    pub(super) fn note(&mut self, bytes: usize, widest: usize) {
        if bytes > Self::LARGE {
            self.expected = self.expected.max(bytes);
            self.width = (Self::BYTES / self.expected).clamp(1, widest);
        } else {
            self.expected = self.expected * 3 / 4;
            if self.expects().is_none() {
                self.width = (self.width + 1).min(widest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_that_hold_the_most_are_closed_until_the_rest_fits() {
        let budget = Arc::new(Budget::new(1000, 100));
        let accounts: Vec<_> = (0..10).map(|number| budget.open(number)).collect();
        for account in &accounts {
            account.note(90);
        }
        assert_eq!((budget.used(), budget.closed()), (900, 0));
        accounts[3].note(150);
        accounts[4].note(130);
        assert_eq!((budget.used(), budget.closed()), (1000, 0));
        accounts[5].note(91);
        assert_eq!((budget.used(), budget.closed()), (851, 1));
        accounts[3].told().await;
        // It is not counted again, whatever it does until it has gone.
        accounts[3].note(500);
        assert_eq!(budget.used(), 851);
        accounts[0].note(10_000);
        accounts[0].told().await;
        assert_eq!((budget.used(), budget.closed()), (761, 2));
        drop(accounts);
        assert_eq!((budget.used(), budget.accounts().len()), (0, 0));
    }

    #[test]
    fn a_window_is_narrow_where_answers_are_large() {
        let mut window = Window::new();
        for _ in 0..200 {
            window.note(100, 128);
        }
        assert_eq!((window.width(), window.expects()), (128, None));
        window.note(1 << 20, 128);
        assert_eq!((window.width(), window.expects()), (2, Some(1 << 20)));
        window.note(64 << 10, 128);
        assert_eq!(window.width(), 2);
        for _ in 0..200 {
            window.note(100, 128);
        }
        assert_eq!((window.width(), window.expects()), (128, None));
    }
}
