//! Where keys live: tokens on a circle, and the replica sets that follow from them.
//!
//! Karger et al., "Consistent Hashing and Random Trees" (STOC '97), with virtual nodes as in
//! DeCandia et al., "Dynamo" (SOSP '07), section 4.2. Positions on the circle are numbers of 64
//! bits. A member owns some of them, its *tokens*; a key's replicas are the owners of the first
//! tokens at or after the key's position, as many different ones as there are to be replicas.
//!
//! Tokens are explicit in a [`View`](super::View): no two nodes have to compute the same ones.
//! [`position`] and [`Ring::of`] depend on bytes and on small ids alone, so a model and a
//! production cluster place alike.

use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many tokens a member has, unless told otherwise.
pub const TOKENS: u32 = 64;

/// How many replicas a key has, unless told otherwise.
pub const REPLICAS: u8 = 3;

/// Members with their tokens. Cloning it copies a pointer.
///
/// Invariant: it has a token, and `replicas` is not 0.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ring {
    /// Which member owns which token.
    pub tokens: Arc<BTreeMap<u64, Id>>,
    /// How many replicas a key has; fewer where there are not so many members.
    pub replicas: u8,
}

/// A part of the circle, both ends included, that never wraps around.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Span {
    /// The first position.
    pub from: u64,
    /// The last position.
    pub upto: u64,
}

/// The position of some bytes: FNV-1a with 64 bits, then the finalizer of MurmurHash3, since FNV
/// alone leaves the high bits of short keys much alike. It is part of the stored format: never
/// change it.
pub fn position(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl Ring {
    /// A ring of these members with [`TOKENS`] tokens each and [`REPLICAS`] replicas of a key.
    pub fn of(members: impl IntoIterator<Item = Id>) -> Self {
        Ring::with(members, TOKENS, REPLICAS)
    }

    /// A ring of these members. Token `i` of a member is the [`position`] of its id and `i`, 8 and
    /// 4 bytes in big-endian order. Should two members meet at a token, the smaller id has it.
    pub fn with(members: impl IntoIterator<Item = Id>, tokens: u32, replicas: u8) -> Self {
        let mut owners = BTreeMap::new();
        for id in members {
            for i in 0..tokens {
                let number = (usize::from(id) as u64).to_be_bytes();
                let token = position(&[&number[..], &i.to_be_bytes()].concat());
                let owner = owners.entry(token).or_insert(id);
                *owner = (*owner).min(id);
            }
        }
        Ring { tokens: Arc::new(owners), replicas }
    }

    /// This ring, changed to have these members: one that stays keeps its tokens, one that comes
    /// gets as many as others have.
    pub fn changed_to(&self, members: &BTreeSet<Id>) -> Self {
        let own = |id: &Id| self.tokens.values().filter(|owner| *owner == id).count();
        let each = self.members().iter().map(own).max().unwrap_or(1);
        let newcomers = members.iter().copied().filter(|id| !self.has(*id));
        let coming = Ring::with(newcomers, each as u32, self.replicas);
        if coming.tokens.is_empty() && members.len() == self.members().len() {
            return self.clone();
        }
        let mut owners = BTreeMap::clone(&coming.tokens);
        for (token, id) in self.tokens.iter().filter(|(_, id)| members.contains(id)) {
            let owner = owners.entry(*token).or_insert(*id);
            *owner = (*owner).min(*id);
        }
        Ring { tokens: Arc::new(owners), replicas: self.replicas }
    }

    /// Whether this is a member.
    pub fn has(&self, id: Id) -> bool {
        self.tokens.values().any(|member| *member == id)
    }

    /// The members.
    pub fn members(&self) -> BTreeSet<Id> {
        self.tokens.values().copied().collect()
    }

    /// The replicas of what is at a position, the nearest first.
    pub fn replicas(&self, position: u64) -> Vec<Id> {
        let wanted = usize::from(self.replicas);
        let mut replicas = Vec::with_capacity(wanted);
        for id in self.tokens.range(position..).chain(self.tokens.range(..position)) {
            if replicas.len() == wanted {
                break;
            }
            if !replicas.contains(id.1) {
                replicas.push(*id.1);
            }
        }
        replicas
    }
}

/// Whether the nodes for which `has` holds are more than half; of none, that is none.
pub fn is_majority(ids: &[Id], has: impl Fn(Id) -> bool) -> bool {
    ids.is_empty() || ids.iter().filter(|id| has(**id)).count() * 2 > ids.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: impl IntoIterator<Item = usize>) -> Vec<Id> {
        ids.into_iter().map(Id::from).collect()
    }

    /// Stored data depends on these numbers.
    #[test]
    fn positions_are_pinned() {
        assert_eq!(position(b""), 0xefd0_1f60_ba99_2926);
        assert_eq!(position(b"x"), 0x06a4_f950_5be8_5405);
        let ring = Ring::with(ids([7]), 1, 3);
        assert_eq!(ring.tokens.keys().copied().collect::<Vec<_>>(), [0x8f5f_357e_b7a5_dd8f]);
    }

    #[test]
    fn a_key_is_on_as_many_different_members_as_there_are_to_be() {
        for members in 1..=10 {
            let ring = Ring::of(ids(0..members));
            for key in 0..1000_u32 {
                let replicas = ring.replicas(position(&key.to_be_bytes()));
                let different: BTreeSet<_> = replicas.iter().collect();
                assert_eq!((replicas.len(), different.len()), (members.min(3), members.min(3)));
            }
        }
    }

    #[test]
    fn load_is_even_and_one_member_more_moves_little() {
        let (ten, eleven) = (Ring::of(ids(0..10)), Ring::of(ids(0..11)));
        let mut load = BTreeMap::<Id, u32>::new();
        let mut moved = 0;
        for key in 0..10_000_u32 {
            let at = position(&key.to_be_bytes());
            let (before, after) = (ten.replicas(at), eleven.replicas(at));
            before.iter().for_each(|id| *load.entry(*id).or_default() += 1);
            let joined: Vec<_> = after.iter().filter(|id| !before.contains(id)).collect();
            assert!(joined.iter().all(|id| **id == Id::from(10)), "only the newcomer gains");
            moved += joined.len();
        }
        assert!(load.values().all(|load| (2000..4000).contains(load)), "{load:?}");
        assert!((1500..4000).contains(&moved), "{moved}");
    }
}
