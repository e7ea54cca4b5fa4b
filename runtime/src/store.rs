//! The durable [`Store`] of a node: LMDB, under a copy-on-write overlay of what is not in LMDB yet.
//!
//! A handler of an actor runs between two commits, reads what the handlers before it wrote, and may
//! throw its own writes away. A write to LMDB is visible when its transaction commits, which costs
//! a trip to the disk. The overlay stands between the two, and this module has to show that no
//! actor can see it.
//!
//! # What a handle is
//!
//! [`LmdbStore`] is a *handle*: a **base**, an **overlay** and a **journal**.
//!
//! - The base is an LMDB read transaction. It is one commit, for ever, whatever commits follow.
//! - The journal is every write made through this handle since that commit, in order. A write has a
//!   *stamp*, its number since the store was opened.
//! - The overlay maps each key in the journal to its last write. A read asks the overlay, then the
//!   base.
//!
//! Overlay and journal are persistent trees and the base is counted, so **a clone copies three
//! pointers and is a snapshot**: writing to one of the two copies the few tree nodes that lead to
//! the change. A handler that clones the store, writes to the clone and drops it has changed
//! nothing, exactly as with [`MapStore`](chainring_store::MapStore).
//!
//! # A commit costs what changed
//!
//! [`LmdbDisk::commit`](crate::disk::Disk::commit) takes such a handle. It writes the journal above
//! the last committed stamp, the last write of each key, into one LMDB transaction, which LMDB
//! syncs: data pages first, then the page that names their root, through a descriptor that writes
//! through. Then it opens a read transaction at that commit and *publishes* it. (Only the committer
//! writes, so that transaction is that commit and no later one.)
//!
//! # When a write leaves the overlay
//!
//! At the next write through a handle, and only if the handle *descends* from the published commit:
//! then its base becomes the published one, and what that commit holds leaves overlay and journal.
//! Reads return the same before and after: a key that left had its last write at or below the
//! commit, so the base holds it; a key that stayed is answered by the overlay as before; for any
//! other key the two bases agree, since every commit between them wrote journal entries of an
//! ancestor of this handle, and those keys are in the first two groups.
//!
//! *Descends* is checked, not assumed. Each write's *digest* covers all writes before it, and a
//! handle descends from a commit exactly if its own history at the commit's stamp has the commit's
//! digest. A handle that does not (an old snapshot, or a fork that was never saved) keeps the base
//! that it has, and a commit of one is refused. Stamp and digest are the [`Position`]; it is also
//! what handles are compared and hashed by, so both cost nothing, and are the same for a disk and
//! for memory after the same writes. So memory is bounded by what is not committed, and the last
//! batch; the data itself is in the page cache, not on the heap.
//!
//! # When the map is full
//!
//! LMDB maps a fixed length of its file, and a batch that does not fit is refused with
//! `MDB_MAP_FULL`. The map grows and the same batch is run again. Mapping anew moves the map, so no
//! transaction of this process may be open. Handles therefore reach their transaction only through
//! a slot with a lock. The committer takes every lock, closes every transaction, maps, opens each
//! again, and lets go.
//!
//! A transaction that is opened again sees the newest commit, which may be later than the one that
//! it stood for. A handle that descends from the newest commit cannot tell, since its overlay holds
//! all that the base has in addition. An older snapshot could. So before a slot's transaction is
//! closed, the rows as it saw them of all keys that were committed since are put into the slot's
//! *undo*, which lies between overlay and base. Then it sees what it saw.
//!
//! Any other error of a commit is returned and never tried again, and the disk takes no further
//! commit: a page cache that failed to write may call those pages clean the next time.
//!
//! # When a read fails
//!
//! stateright's handlers cannot return an error, and an actor that reads "absent" where the disk
//! said "damaged" tells others so. A read that fails therefore unwinds with a [`Failed`] as
//! payload. The driver catches it, reports it, and ends the actor with nothing sent. Every row
//! carries a checksum of itself and its key, so that a flipped bit comes out as this and not as
//! another value. LMDB's own pages have none: those are checked once, when a store is opened,
//! together with all rows (`pages` and `proof`). What the disk damages later than that is noticed
//! in a row when it is read, and in a page of LMDB's at the next start; until then such a page may
//! end the process, or hide a row.
//!
//! # What a store must be to be opened
//!
//! [`LmdbDisk::init`] makes a store aside and moves it to its place when it is complete and synced;
//! nothing else makes one. [`LmdbDisk::open`] refuses whatever is not one: see there.

mod disk;
mod engine;
mod identity;
mod owner;
mod pages;
mod proof;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter;
use std::marker::PhantomData;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::panic;
use std::path::PathBuf;
use std::sync::Arc;

use chainring_store::{OrderedKey, Store};
use rpds::RedBlackTreeMapSync;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::disk::Failed;

pub use disk::{Check, FORMAT, LmdbDisk, LmdbOptions, LmdbStats};
use engine::{Base, Open, Published, Row, layered, seal};
pub use identity::Identity;

/// LMDB takes keys of 1 to 511 bytes.
const LONGEST_KEY: usize = 511;

/// A snapshot of a store that is durable up to a commit. The module's documentation says what it is
/// made of.
///
/// Comes from [`LmdbDisk::load`](crate::disk::Disk::load), or from [`in_memory`](Self::in_memory)
/// with no disk at all.
///
/// `Debug`, `PartialEq` and `Hash` look at the [`Position`] alone. Two handles of one store are
/// equal exactly if they went through the same writes.
///
/// # Panics
///
/// Where [`Store`] has no way to report an error, a handle unwinds with a [`Failed`] as payload:
/// when the disk fails or a row is damaged, and when a key's bytes break the law of [`OrderedKey`].
pub struct LmdbStore<K, V> {
    origin: Origin,
    /// Invariant: an entry for each key in `journal`, its last write there, and for no other key.
    overlay: RedBlackTreeMapSync<Arc<[u8]>, Arc<Write>>,
    /// Invariant: has every stamp above the base's, up to `position.stamp`, and no other.
    journal: RedBlackTreeMapSync<u64, Arc<Write>>,
    position: Position,
    types: PhantomData<fn() -> (K, V)>,
}

/// How far the writes through a handle went since its store was opened, and which they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The number of writes.
    pub stamp: u64,
    /// A digest of all of them, in order.
    pub digest: u64,
}

/// One write, shared by overlay, journal and all clones.
struct Write {
    position: Position,
    seal: u32,
    key: Arc<[u8]>,
    /// `None` for a delete.
    row: Option<Box<[u8]>>,
}

/// What lies under the overlay.
#[derive(Clone)]
enum Origin {
    Disk { published: Arc<Published>, base: Arc<Base> },
    Memory { at: Position, rows: Arc<BTreeMap<Vec<u8>, Vec<u8>>> },
}

impl<K: OrderedKey, V: Serialize + DeserializeOwned> LmdbStore<K, V> {
    /// An empty store with no disk: every write stays in the overlay.
    ///
    /// For tests, and to replay a trace: it goes through the same positions as a store on a disk.
    pub fn in_memory() -> Self {
        Self::replay_from(Position::default(), iter::empty())
    }

    /// A store with no disk that begins with the rows of a [`dump`](Self::dump) taken at
    /// `position`.
    pub fn replay_from(
        position: Position,
        dump: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Self {
        let rows = Arc::new(dump.into_iter().collect());
        Self::at(position, Origin::Memory { at: position, rows })
    }

    fn on_disk(published: Arc<Published>) -> Self {
        let base = published.newest();
        Self::at(base.at, Origin::Disk { published, base })
    }

    fn at(position: Position, origin: Origin) -> Self {
        LmdbStore {
            origin,
            overlay: RedBlackTreeMapSync::new_sync(),
            journal: RedBlackTreeMapSync::new_sync(),
            position,
            types: PhantomData,
        }
    }

    /// The number and the digest of the writes since the store was opened.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The number of writes since the store was opened.
    pub fn stamp(&self) -> u64 {
        self.position.stamp
    }

    /// How many writes this handle holds in memory, because its base does not have them.
    pub fn held(&self) -> usize {
        self.journal.size()
    }

    /// The writes above `stamp`, in order, as the bytes of the key and of the row; `None` stands
    /// for a delete.
    ///
    /// Complete if `stamp` is that of a handle that was not committed yet or was the last committed
    /// one, as for the writes of one handler: what is committed is forgotten in time.
    pub fn writes_since(&self, stamp: u64) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let above = (Excluded(stamp), Unbounded);
        let writes = self.journal.range::<u64, _>(above);
        writes.map(|(_, write)| (&*write.key, write.row.as_deref()))
    }

    /// All rows, as the bytes of key and row, in ascending order of keys.
    ///
    /// Reads a part of the store at a time, and what it returns is this snapshot however long that
    /// takes.
    ///
    /// # Panics
    ///
    /// As reads do, when the disk fails.
    pub fn dump(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        const PART: usize = 512;
        let mut last = None;
        let parts = iter::from_fn(move || {
            let from = last.as_deref().map_or(Unbounded, Excluded);
            let part = self.rows(from, Unbounded, PART, engine::open, |key, row| {
                Ok((key.to_vec(), row.to_vec()))
            });
            last = Some(part.last()?.0.clone());
            Some(part)
        });
        parts.flatten()
    }

    /// Appends a write to journal and overlay.
    fn write(&mut self, key: Vec<u8>, row: Option<Vec<u8>>) {
        self.renew();
        let seal = seal(&key, row.as_deref());
        let position = self.position.after(seal);
        let key: Arc<[u8]> = key.into();
        let write = Arc::new(Write {
            position,
            seal,
            key: Arc::clone(&key),
            row: row.map(Vec::into_boxed_slice),
        });
        self.overlay.insert_mut(key, Arc::clone(&write));
        self.journal.insert_mut(position.stamp, write);
        self.position = position;
    }

    /// Moves to the published commit and forgets what it holds, if this handle descends from it.
    fn renew(&mut self) {
        let Origin::Disk { published, base } = &self.origin else {
            return;
        };
        let newest = published.newest();
        if newest.at.stamp <= base.at.stamp || self.position_at(newest.at.stamp) != Some(newest.at)
        {
            return;
        }
        while let Some((&stamp, write)) = self.journal.first()
            && stamp <= newest.at.stamp
        {
            let key = Arc::clone(&write.key);
            let last = self.overlay.get(&key);
            if last.is_some_and(|last| last.position.stamp == stamp) {
                self.overlay.remove_mut(&key);
            }
            self.journal.remove_mut(&stamp);
        }
        let published = Arc::clone(published);
        self.origin = Origin::Disk { published, base: newest };
    }

    /// Where this handle's history was at `stamp`, as far as it goes back.
    fn position_at(&self, stamp: u64) -> Option<Position> {
        let base = match &self.origin {
            Origin::Disk { base, .. } => base.at,
            Origin::Memory { at, .. } => *at,
        };
        if stamp == base.stamp {
            return Some(base);
        }
        self.journal.get(&stamp).map(|write| write.position)
    }

    /// The first `limit` rows between the bounds, as `decode` makes them from the bytes that `open`
    /// finds in those on disk.
    fn rows<T>(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
        open: Open,
        decode: impl Fn(&[u8], &[u8]) -> Result<T, String>,
    ) -> Vec<T> {
        if is_empty(from, to) {
            return Vec::new();
        }
        let overlay = self.overlay.range::<[u8], _>((from, to));
        let overlay = overlay.map(|(key, write)| (&**key, write.row.as_deref()));
        let collected = match &self.origin {
            Origin::Disk { base, .. } => {
                base.range(from, to, overlay, open, |rows| collect(rows, limit, decode))
            }
            Origin::Memory { rows, .. } => {
                let rows = rows.range::<[u8], _>((from, to));
                let rows = rows.map(|(key, row)| Ok((&**key, &**row)));
                collect(layered(overlay, rows), limit, decode)
            }
        };
        collected.unwrap_or_else(|why| self.fail("scan its rows".to_string(), why))
    }

    /// The bytes of a key, which LMDB must be able to hold.
    fn key_bytes(&self, key: &K) -> Vec<u8> {
        let bytes = key.to_bytes();
        if !(1..=LONGEST_KEY).contains(&bytes.len()) {
            let why = format!(
                "its {} bytes are not 1 to {LONGEST_KEY}; whoever lets keys in must refuse such a one",
                bytes.len()
            );
            self.fail(format!("take the key {key:?}"), why);
        }
        bytes
    }

    fn fail(&self, doing: String, why: String) -> ! {
        let path = match &self.origin {
            Origin::Disk { base, .. } => base.path().to_path_buf(),
            Origin::Memory { .. } => PathBuf::from("memory"),
        };
        let failed = Failed { path, doing, why };
        tracing::error!("{failed}");
        // Not `panic_any`: the panic hook could only print that some value was thrown. The driver
        // prints this one.
        panic::resume_unwind(Box::new(failed) as Box<dyn Any + Send>)
    }
}

impl<K: OrderedKey, V: Serialize + DeserializeOwned> Store<K, V> for LmdbStore<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        let bytes = self.key_bytes(key);
        let found = match (self.overlay.get(&*bytes), &self.origin) {
            (Some(write), _) => write.row.as_deref().map(decode_row).transpose(),
            (None, Origin::Disk { base, .. }) => {
                base.row(&bytes, |row| row.map(decode_row).transpose()).and_then(|row| row)
            }
            (None, Origin::Memory { rows, .. }) => {
                rows.get(&bytes).map(|row| decode_row(row)).transpose()
            }
        };
        found.unwrap_or_else(|why| self.fail(format!("read the row at {key:?}"), why))
    }

    fn put(&mut self, key: K, row: V) {
        let bytes = self.key_bytes(&key);
        match codec::encode(&row) {
            Ok(row) => self.write(bytes, Some(row)),
            Err(why) => self.fail(format!("encode the row at {key:?}"), why.to_string()),
        }
    }

    fn delete(&mut self, key: &K) {
        let bytes = self.key_bytes(key);
        self.write(bytes, None);
    }

    fn scan(&self, from: Bound<&K>, to: Bound<&K>, limit: usize) -> Vec<(K, V)> {
        let from = from.map(|key| self.key_bytes(key));
        let to = to.map(|key| self.key_bytes(key));
        let (from, to) = (from.as_ref().map(|key| &**key), to.as_ref().map(|key| &**key));
        self.rows(from, to, limit, engine::open, |key, row| {
            Ok((decode_key(key)?, decode_row(row)?))
        })
    }

    fn keys(&self, from: Bound<&K>, to: Bound<&K>, limit: usize) -> Vec<K> {
        let from = from.map(|key| self.key_bytes(key));
        let to = to.map(|key| self.key_bytes(key));
        let (from, to) = (from.as_ref().map(|key| &**key), to.as_ref().map(|key| &**key));
        self.rows(from, to, limit, engine::leave, |key, _| decode_key(key))
    }
}

impl<K, V> Clone for LmdbStore<K, V> {
    fn clone(&self) -> Self {
        LmdbStore {
            origin: self.origin.clone(),
            overlay: self.overlay.clone(),
            journal: self.journal.clone(),
            position: self.position,
            types: PhantomData,
        }
    }
}

impl<K, V> fmt::Debug for LmdbStore<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { stamp, digest } = self.position;
        write!(f, "LmdbStore({stamp}, {digest:016x})")
    }
}

impl<K, V> PartialEq for LmdbStore<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position
    }
}

impl<K, V> Eq for LmdbStore<K, V> {}

impl<K, V> Hash for LmdbStore<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.position.hash(state);
    }
}

impl Position {
    /// The position after one more write, of which `seal` is the checksum.
    fn after(self, seal: u32) -> Position {
        // The finalizer of splitmix64, a bijection: histories that differ before the last write
        // stay different.
        let mut mixed = self.digest.rotate_left(23) ^ u64::from(seal);
        mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Position { stamp: self.stamp + 1, digest: mixed ^ (mixed >> 31) }
    }
}

fn decode_key<K: OrderedKey>(key: &[u8]) -> Result<K, String> {
    K::from_bytes(key).ok_or_else(|| format!("no key has the bytes {}", hex(key)))
}

fn decode_row<V: DeserializeOwned>(row: &[u8]) -> Result<V, String> {
    codec::decode(row).map_err(|why| format!("its {} bytes are not a row: {why}", row.len()))
}

/// The first `limit` of these rows, decoded.
fn collect<'a, T>(
    rows: impl Iterator<Item = Result<Row<'a>, String>>,
    limit: usize,
    decode: impl Fn(&[u8], &[u8]) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let rows = rows.take(limit).map(|row| row.and_then(|(key, row)| decode(key, row)));
    rows.collect()
}

/// Whether no key can lie between these bounds; ordered maps panic when asked for some such ranges.
fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Unbounded, _) | (_, Unbounded) => false,
        (Included(from), Included(to)) => from > to,
        (Included(from) | Excluded(from), Included(to) | Excluded(to)) => from >= to,
    }
}

/// Bytes as a human may compare them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
