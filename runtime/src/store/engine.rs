//! LMDB as the rest of the store sees it: snapshots that outlive a move of the map.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::iter;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heed::types::Bytes;
use heed::{Database, Env, RoTxn, WithoutTls};

use super::owner::Owner;
use super::{Position, hex};
use crate::disk::DiskError;

/// A row as it is read: the bytes of its key, and its own.
pub(super) type Row<'a> = (&'a [u8], &'a [u8]);

/// What is made of a row's bytes, by its key: [`open`], or [`leave`].
pub(super) type Open = for<'a> fn(&[u8], &'a [u8]) -> Result<&'a [u8], String>;

/// A row as it was written; `None` for a delete.
pub(super) type Written<'a> = (&'a [u8], Option<&'a [u8]>);

/// The table of rows. A value is the row and, behind it, its [`seal`].
pub(super) type Rows = Database<'static, Bytes, Bytes>;

/// The tables of a store.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    pub(super) rows: Rows,
    /// What the store is.
    pub(super) about: Rows,
    /// The main tree, which names the other two and holds the record of the newest commit.
    pub(super) main: Rows,
}

/// An open LMDB environment, and every read transaction in it.
///
/// Invariant: a read transaction is opened by [`Engine::snapshot`] or [`Engine::remap`] and by
/// nothing else once the engine exists, and both are called by the committer alone, between its
/// write transactions.
pub(super) struct Engine {
    /// Invariant: has every slot whose `view` is not `None`.
    slots: Mutex<Vec<Arc<Slot>>>,
    pub(super) tables: Tables,
    pub(super) env: Env<WithoutTls>,
    pub(super) path: PathBuf,
    /// The lock that keeps other processes out. Declared last: the environment closes before it is
    /// released.
    owner: Owner,
}

/// Where a base keeps its read transaction, so that the committer can exchange it.
struct Slot {
    stamp: u64,
    view: Mutex<Option<View>>,
}

/// The rows of a commit: those of `undo`, and for all other keys those that `txn` sees.
struct View {
    undo: BTreeMap<Box<[u8]>, Option<Box<[u8]>>>,
    txn: RoTxn<'static, WithoutTls>,
}

/// The keys of one commit.
pub(super) struct Batch {
    pub(super) stamp: u64,
    pub(super) keys: Vec<Arc<[u8]>>,
}

/// The commit that lies under a handle.
pub(super) struct Base {
    pub(super) at: Position,
    slot: Arc<Slot>,
    engine: Arc<Engine>,
}

/// The newest commit, for handles to move to.
pub(super) struct Published(Mutex<Arc<Base>>);

impl Engine {
    pub(super) fn new(
        env: Env<WithoutTls>,
        tables: Tables,
        path: PathBuf,
        owner: Owner,
    ) -> Arc<Self> {
        Arc::new(Engine { slots: Mutex::default(), tables, env, path, owner })
    }

    /// An error if the file has been removed or replaced since it was opened.
    pub(super) fn is_at_its_place(&self) -> Result<(), DiskError> {
        self.owner.is_at(&self.path)
    }

    /// Opens the newest commit. The committer calls this, and says where that commit is.
    pub(super) fn snapshot(self: &Arc<Self>, at: Position) -> heed::Result<Arc<Base>> {
        let mut slots = lock(&self.slots);
        // A slot that is only in this list has lost its base, and its transaction before that.
        slots.retain(|slot| Arc::strong_count(slot) > 1);
        let view = View { undo: BTreeMap::new(), txn: self.env.clone().static_read_txn()? };
        let slot = Arc::new(Slot { stamp: at.stamp, view: Mutex::new(Some(view)) });
        slots.push(Arc::clone(&slot));
        Ok(Arc::new(Base { at, slot, engine: Arc::clone(self) }))
    }

    /// The stamps of the commits that are still looked at.
    pub(super) fn live(&self) -> Vec<u64> {
        let slots = lock(&self.slots);
        let live = slots.iter().filter(|slot| Arc::strong_count(slot) > 1);
        live.map(|slot| slot.stamp).collect()
    }

    /// Maps `size` bytes of the file. The committer calls this, with no write transaction open.
    ///
    /// `recent` has all commits that are newer than the oldest live slot. After an error some slots
    /// may be empty; reads through them fail, and the committer must stop.
    pub(super) fn remap(&self, size: usize, recent: &VecDeque<Batch>) -> Result<(), RemapError> {
        let slots = lock(&self.slots);
        let mut views: Vec<_> = slots.iter().map(|slot| (slot.stamp, lock(&slot.view))).collect();
        let mut undos = Vec::new();
        for (stamp, view) in &mut views {
            let Some(View { undo, txn }) = view.as_mut() else {
                continue;
            };
            for batch in recent.iter().filter(|batch| batch.stamp > *stamp) {
                for key in &batch.keys {
                    if !undo.contains_key(&**key) {
                        let row = self.tables.rows.get(txn, key).map_err(RemapError::Engine)?;
                        let row = row.map(|row| open(key, row)).transpose();
                        let row = row.map_err(RemapError::Row)?.map(Box::from);
                        undo.insert((**key).into(), row);
                    }
                }
            }
        }
        for (_, view) in &mut views {
            undos.push(view.take().map(|View { undo, .. }| undo));
        }
        // SAFETY: no transaction of this process is open. A read transaction lives in the view of a
        // slot that is in the list (invariant of `slots`); all those were taken out and dropped
        // above, under locks that are held until this function returns; and only this thread opens
        // one, or a write transaction, of which it has none. No borrow of the map outlives those
        // locks either. Other processes are kept out by the lock on the owner file.
        #[allow(unsafe_code)]
        unsafe { self.env.resize(size) }.map_err(RemapError::Engine)?;
        for ((_, view), undo) in views.iter_mut().zip(undos) {
            if let Some(undo) = undo {
                let txn = self.env.clone().static_read_txn().map_err(RemapError::Engine)?;
                **view = Some(View { undo, txn });
            }
        }
        Ok(())
    }
}

/// Why the map could not be moved.
pub(super) enum RemapError {
    Engine(heed::Error),
    Row(String),
}

impl Published {
    pub(super) fn new(base: Arc<Base>) -> Self {
        Published(Mutex::new(base))
    }

    pub(super) fn newest(&self) -> Arc<Base> {
        Arc::clone(&lock(&self.0))
    }

    pub(super) fn publish(&self, base: Arc<Base>) {
        *lock(&self.0) = base;
    }
}

impl Base {
    pub(super) fn path(&self) -> &Path {
        &self.engine.path
    }

    /// Whether this base is of that environment.
    pub(super) fn is_of(&self, engine: &Arc<Engine>) -> bool {
        Arc::ptr_eq(&self.engine, engine)
    }

    /// What `read` makes of the row at `key`, whose bytes are the map's own.
    pub(super) fn row<T>(
        &self,
        key: &[u8],
        read: impl FnOnce(Option<&[u8]>) -> T,
    ) -> Result<T, String> {
        let view = lock(&self.slot.view);
        let View { undo, txn } = view.as_ref().ok_or_else(closed)?;
        if let Some(row) = undo.get(key) {
            return Ok(read(row.as_deref()));
        }
        let row = self.engine.tables.rows.get(txn, key).map_err(|why| why.to_string())?;
        let row = row.map(|row| open(key, row)).transpose()?;
        Ok(read(row))
    }

    /// What `read` makes of the rows between the bounds, under those of `overlay`, in ascending
    /// order of keys.
    pub(super) fn range<'o, T>(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        overlay: impl Iterator<Item = Written<'o>>,
        open: Open,
        read: impl FnOnce(&mut dyn Iterator<Item = Result<Row<'_>, String>>) -> Result<T, String>,
    ) -> Result<T, String> {
        let view = lock(&self.slot.view);
        let View { undo, txn } = view.as_ref().ok_or_else(closed)?;
        let undo = undo.range::<[u8], _>((from, to));
        let undo = undo.map(|(key, row)| (&**key, row.as_deref()));
        let rows =
            self.engine.tables.rows.range(txn, &(from, to)).map_err(|why| why.to_string())?;
        let rows = rows.map(|row| {
            let (key, row) = row.map_err(|why| why.to_string())?;
            Ok((key, open(key, row)?))
        });
        // The overlay's rows live longer than this lock; the closure lets the compiler forget that.
        #[expect(clippy::map_identity)]
        let overlay = overlay.map(|(key, row)| (key, row));
        read(&mut layered(overlay, layered(undo, rows)))
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        // Under the lock, so that the committer, holding it, knows that this transaction is open or
        // gone.
        *lock(&self.slot.view) = None;
    }
}

/// `upper` over `lower`, both in ascending order of keys: a key in both is as `upper` has it.
pub(super) fn layered<'a>(
    upper: impl Iterator<Item = Written<'a>>,
    lower: impl Iterator<Item = Result<Row<'a>, String>>,
) -> impl Iterator<Item = Result<Row<'a>, String>> {
    let (mut upper, mut lower) = (upper.peekable(), lower.peekable());
    iter::from_fn(move || {
        loop {
            let order = match (upper.peek(), lower.peek()) {
                (None, _) | (_, Some(Err(_))) => return lower.next(),
                (Some(_), None) => Ordering::Less,
                (Some((upper, _)), Some(Ok((lower, _)))) => upper.cmp(lower),
            };
            if order == Ordering::Greater {
                return lower.next();
            }
            if order == Ordering::Equal {
                lower.next();
            }
            if let Some((key, Some(row))) = upper.next() {
                return Some(Ok((key, row)));
            }
        }
    })
}

/// The checksum of a write: of its key, of whether it is a put or a delete, and of its row.
pub(super) fn seal(key: &[u8], row: Option<&[u8]>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    // Keys are at most 511 bytes, so no two writes give the checksum the same bytes.
    crc.update(&(key.len() as u16).to_le_bytes());
    crc.update(key);
    crc.update(&[u8::from(row.is_some())]);
    crc.update(row.unwrap_or_default());
    crc.finalize()
}

/// The row in a value, if its seal is whole.
pub(super) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], String> {
    let (row, found) = value
        .split_last_chunk()
        .ok_or_else(|| format!("the row at {} has no checksum", hex(key)))?;
    if u32::from_le_bytes(*found) == seal(key, Some(row)) {
        Ok(row)
    } else {
        Err(format!("the row at {} does not fit its checksum", hex(key)))
    }
}

/// Leaves a row unread: its pages are not touched, be it ever so long.
pub(super) fn leave<'a>(_: &[u8], _: &'a [u8]) -> Result<&'a [u8], String> {
    Ok(&[])
}

/// A lock of which the data is whole even if a thread that held it panicked: every update is one
/// assignment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> String {
    "its map could not be made larger".to_string()
}
