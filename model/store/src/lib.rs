//! Durable state without whole-state writes.
//!
//! stateright's `Save` takes the whole
//! `Storage` of an actor. A replica with ten million keys cannot
//! write all of them at every step, and should not hold them in memory. So `Storage` *is* a
//! [`Store`]: a handler mutates `state.store` and calls `out.save(state.store.clone())`, and the
//! two interpreters give that the same meaning at different cost:
//!
//! - in proofs a store is a [`MapStore`], a small ordered map, and cloning it is a snapshot;
//! - in the runtime it is an LMDB snapshot under a copy-on-write overlay of the writes that are not
//!   in LMDB yet; cloning it is a snapshot too, and a save costs what changed since the last one.
//!
//! A store is created by an explicit `init`, never by starting an actor: one that starts without
//! its store refuses to run.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

/// All durable state of one actor: an ordered map from keys to rows.
///
/// A clone is a snapshot: what is written to one of the two afterwards does not show in the other.
/// `K` and `V` are enums with a variant a table, so that a scan of one table is a range of keys.
pub trait Store<K, V>: Clone + Debug + PartialEq + Hash {
    /// The row at `key`.
    fn get(&self, key: &K) -> Option<V>;

    /// Writes the row at `key`.
    fn put(&mut self, key: K, row: V);

    /// Removes the row at `key`, if there is one.
    fn delete(&mut self, key: &K);

    /// The first `limit` rows whose keys lie between the bounds, in ascending order of keys.
    fn scan(&self, from: Bound<&K>, to: Bound<&K>, limit: usize) -> Vec<(K, V)>;

    /// The keys of these rows alone, where no row needs to be read for that.
    fn keys(&self, from: Bound<&K>, to: Bound<&K>, limit: usize) -> Vec<K> {
        self.scan(from, to, limit).into_iter().map(|(key, _)| key).collect()
    }
}

/// A key whose bytes sort as the key does, so that a store of bytes can scan in order.
///
/// Law: `a < b` exactly if `a.to_bytes() < b.to_bytes()`, and `from_bytes` inverts `to_bytes`.
pub trait OrderedKey: Ord + Clone + Debug {
    /// The key's bytes; at most 511 of them (LMDB's limit).
    fn to_bytes(&self) -> Vec<u8>;

    /// The key with these bytes; `None` for bytes that no key has.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// The store of proofs and tests: an ordered map in memory. Cloning it copies a pointer, hashing it
/// reads a digest that every write keeps up to date.
pub struct MapStore<K, V> {
    rows: Arc<BTreeMap<K, V>>,
    /// The exclusive or of all rows' hashes: independent of the order in which they were written.
    digest: u64,
}

impl<K: Ord + Hash, V: Hash> MapStore<K, V> {
    /// All rows, in ascending order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// A digest of all rows: equal for equal contents.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    fn hash_of(key: &K, row: &V) -> u64 {
        let mut hasher = DefaultHasher::new();
        (key, row).hash(&mut hasher);
        hasher.finish()
    }
}

impl<K, V> Store<K, V> for MapStore<K, V>
where
    K: Clone + Debug + Hash + Ord,
    V: Clone + Debug + Hash + PartialEq,
{
    fn get(&self, key: &K) -> Option<V> {
        self.rows.get(key).cloned()
    }

    fn put(&mut self, key: K, row: V) {
        self.delete(&key);
        self.digest ^= Self::hash_of(&key, &row);
        Arc::make_mut(&mut self.rows).insert(key, row);
    }

    fn delete(&mut self, key: &K) {
        if self.rows.contains_key(key)
            && let Some(row) = Arc::make_mut(&mut self.rows).remove(key)
        {
            self.digest ^= Self::hash_of(key, &row);
        }
    }

    fn scan(&self, from: Bound<&K>, to: Bound<&K>, limit: usize) -> Vec<(K, V)> {
        let rows = self.rows.range((from, to)).take(limit);
        rows.map(|(key, row)| (key.clone(), row.clone())).collect()
    }
}

impl<K: Ord, V> Default for MapStore<K, V> {
    fn default() -> Self {
        MapStore { rows: Arc::default(), digest: 0 }
    }
}

impl<K, V> Clone for MapStore<K, V> {
    fn clone(&self) -> Self {
        MapStore { rows: Arc::clone(&self.rows), digest: self.digest }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for MapStore<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
            && (Arc::ptr_eq(&self.rows, &other.rows) || self.rows == other.rows)
    }
}

impl<K: Eq, V: Eq> Eq for MapStore<K, V> {}

impl<K, V> Hash for MapStore<K, V> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.digest.hash(hasher);
    }
}

impl<K: Debug, V: Debug> Debug for MapStore<K, V> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.rows.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Bound::{Excluded, Included, Unbounded};

    #[test]
    fn a_clone_is_a_snapshot() {
        let mut store = MapStore::default();
        store.put(1, 'a');
        let snapshot = store.clone();
        store.put(1, 'b');
        store.delete(&2);
        assert_eq!((store.get(&1), snapshot.get(&1)), (Some('b'), Some('a')));
    }

    #[test]
    fn equal_contents_are_equal_however_they_came_about() {
        let (mut one, mut other) = (MapStore::default(), MapStore::default());
        one.put(1, 'a');
        one.put(2, 'b');
        other.put(2, 'x');
        other.put(3, 'c');
        other.put(2, 'b');
        assert_ne!(one, other);
        other.delete(&3);
        other.put(1, 'a');
        assert_eq!(one, other);
        assert_eq!(one.digest(), other.digest());
    }

    #[test]
    fn scans_are_ordered_and_bounded() {
        let mut store = MapStore::default();
        for key in [3, 1, 2, 4] {
            store.put(key, ());
        }
        assert_eq!(store.scan(Excluded(&1), Included(&3), 9), [(2, ()), (3, ())]);
        assert_eq!(store.scan(Unbounded, Unbounded, 1), [(1, ())]);
    }
}
