//! Values that are stored once.
//!
//! Of the millions of states of a model most differ in little: there are some thousand different
//! states of each actor, and some hundred different messages. So a state of a model is made of
//! references to these (Holzmann, "State Compression in SPIN", 1997, calls it *collapse*). Copying
//! it copies references, comparing compares addresses, hashing reads digests, and whatever was
//! found out of a part once can be remembered under its address.
//!
//! What is stored stays stored while the process lives: a check is a process, or a part of a short
//! one.

use std::any::{Any, TypeId};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::{LazyLock, Mutex, PoisonError};

/// A value that is stored once. Two of them are equal exactly if their values are.
pub struct Interned<T: 'static>(&'static Stored<T>);

struct Stored<T> {
    digest: u64,
    value: T,
}

/// What may be shared.
pub trait Intern: Debug + Hash + PartialEq + Send + Sync + 'static {}

impl<T: Debug + Hash + PartialEq + Send + Sync + 'static> Intern for T {}

type Found = Vec<&'static (dyn Any + Send + Sync)>;

/// Everything that is shared, by type and digest.
static STORED: LazyLock<Table<(TypeId, u64), Found>> = LazyLock::new(Table::default);

impl<T: Intern> Interned<T> {
    /// This value, stored if it was not.
    pub fn new(value: T) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let digest = hasher.finish();
        STORED.with((TypeId::of::<T>(), digest), |found| {
            let mut known = found.iter().filter_map(|any| any.downcast_ref::<Stored<T>>());
            if let Some(stored) = known.find(|stored| stored.value == value) {
                return Interned(stored);
            }
            let stored: &'static Stored<T> = Box::leak(Box::new(Stored { digest, value }));
            found.push(stored);
            Interned(stored)
        })
    }
}

impl<T> Interned<T> {
    /// Where it is stored: different for different values.
    pub fn address(this: Self) -> usize {
        std::ptr::from_ref(this.0).addr()
    }

    /// The value, for as long as the process lives.
    pub fn get(this: Self) -> &'static T {
        &this.0.value
    }
}

impl<T> Clone for Interned<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Interned<T> {}

impl<T> Deref for Interned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> PartialEq for Interned<T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl<T> Eq for Interned<T> {}

impl<T> Hash for Interned<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0.digest);
    }
}

impl<T: Ord> PartialOrd for Interned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for Interned<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self == other { Ordering::Equal } else { self.0.value.cmp(&other.0.value) }
    }
}

impl<T: Debug> Debug for Interned<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

/// A map that threads share, in parts that are locked one by one. For keys that are addresses or
/// digests.
pub struct Table<K, V>(Vec<Mutex<HashMap<K, V, BuildHasherDefault<Mix>>>>);

/// Into how many parts: many more than there are threads.
const PARTS: usize = 512;

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table((0..PARTS).map(|_| Mutex::default()).collect())
    }
}

impl<K: Eq + Hash, V: Default> Table<K, V> {
    /// Uses what is under a key, which is the default at first.
    pub fn with<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> R {
        let digest = BuildHasherDefault::<Mix>::default().hash_one(&key);
        let part = &self.0[(digest >> 32) as usize % PARTS];
        // A thread that panicked did so between two changes of a map: the map is whole.
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        f(part.entry(key).or_default())
    }
}

/// A quick hash of a few numbers: multiply, fold, rotate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = ((product as u64) ^ (product >> 64) as u64).rotate_left(23);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let (one, same) = (Interned::new("a".to_string()), Interned::new("a".to_string()));
        let other = Interned::new("b".to_string());
        assert_eq!(Interned::address(one), Interned::address(same));
        assert!(one == same && one != other && one < other);
        assert_ne!(Interned::address(Interned::new(7u32)), Interned::address(Interned::new(7u64)));
    }

    #[test]
    fn threads_share_too() {
        let shared = || (0..1000u32).map(|n| Interned::new([n; 3])).collect::<Vec<_>>();
        let other = std::thread::spawn(shared);
        assert_eq!(shared(), other.join().expect("it does not panic"));
    }
}
