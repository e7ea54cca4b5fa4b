//! Which actor lives where.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use stateright::actor::Id;

/// The only place where an [`Id`] has to do with an address. Several `Id`s share the address of
/// their node.
///
/// Clones are the same book, and it may change while it is in use: readers keep a copy and look for
/// a newer one when the version says so.
#[derive(Clone, Debug, Default)]
pub struct AddressBook(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    version: AtomicU64,
    addresses: RwLock<Arc<HashMap<Id, SocketAddr>>>,
}

impl AddressBook {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters an address, in place of the one that was there.
    pub fn insert(&self, id: Id, address: SocketAddr) {
        self.change(|addresses| {
            addresses.insert(id, address);
        });
    }

    /// Forgets an address: messages to and from this `Id` are lost from now on.
    pub fn remove(&self, id: Id) {
        self.change(|addresses| {
            addresses.remove(&id);
        });
    }

    /// The address of an `Id`.
    pub fn address(&self, id: Id) -> Option<SocketAddr> {
        self.snapshot().get(&id).copied()
    }

    /// A reader's copy.
    pub(super) fn reader(&self) -> Reader {
        // The version first: a copy may be newer than its version, never older.
        let version = self.0.version.load(Ordering::Acquire);
        Reader { book: self.clone(), version, addresses: self.snapshot() }
    }

    fn snapshot(&self) -> Arc<HashMap<Id, SocketAddr>> {
        let addresses = self.0.addresses.read();
        Arc::clone(&addresses.unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<Id, SocketAddr>)) {
        let addresses = self.0.addresses.write();
        change(Arc::make_mut(&mut addresses.unwrap_or_else(PoisonError::into_inner)));
        self.0.version.fetch_add(1, Ordering::Release);
    }
}

impl FromIterator<(Id, SocketAddr)> for AddressBook {
    fn from_iter<I: IntoIterator<Item = (Id, SocketAddr)>>(entries: I) -> Self {
        Self(Arc::new(Shared {
            version: AtomicU64::new(0),
            addresses: RwLock::new(Arc::new(entries.into_iter().collect())),
        }))
    }
}

pub(super) struct Reader {
    book: AddressBook,
    version: u64,
    addresses: Arc<HashMap<Id, SocketAddr>>,
}

impl Reader {
    /// Looks for a newer copy; `true` when there was one.
    pub fn refresh(&mut self) -> bool {
        if self.book.0.version.load(Ordering::Acquire) == self.version {
            return false;
        }
        *self = self.book.reader();
        true
    }

    pub fn address(&self, id: Id) -> Option<SocketAddr> {
        self.addresses.get(&id).copied()
    }

    /// All addresses, once for each `Id`.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses.values().copied()
    }
}
