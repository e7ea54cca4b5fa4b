//! Which chain a key belongs to.
//!
//! A cluster of several chains spreads its keys over them by a hash: XXH3 (64 bits, no seed) of the
//! key's bytes, modulo the number of chains. A chain's number is that remainder plus one. Each key
//! lives in one chain for ever, every node computes the same, and so may a client. There are no
//! hash tags.
//!
//! Chains share nothing but processes: each has its views, its coordinators, and a gateway in every
//! node. Linearizability is local to keys (Herlihy & Wing), so a cluster of linearizable chains is
//! linearizable.

use chainring_model::kv::Key;
use xxhash_rust::xxh3::xxh3_64;

/// The place, from 0, of a key's chain among so many.
pub fn place(key: &Key, chains: usize) -> usize {
    let chains = chains.max(1) as u64; // no more than a list can have
    (xxh3_64(key) % chains) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These must never change: they say where the data of every cluster is.
    #[test]
    fn the_documented_places() {
        let places = |chains| {
            ["", "a", "greeting", "key:000000000001"].map(|key| place(&Key::from(key), chains))
        };
        assert_eq!(places(1), [0, 0, 0, 0]);
        assert_eq!(places(2), [0, 1, 1, 1]);
        assert_eq!(places(1000), [138, 719, 425, 39]);
        // The published value for no bytes.
        assert_eq!(place(&Key::from(""), 1 << 62), 0x2d06_8005_38d3_94c2);
    }

    #[test]
    fn keys_are_spread_evenly() {
        let mut counts = [0; 3];
        for number in 0..30_000 {
            counts[place(&Key::from(format!("key:{number}").as_str()), 3)] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    }
}
