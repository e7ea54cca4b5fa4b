//! Where keys live: tokens on a circle, and the replica sets that follow from them.
//!
//! Karger et al., "Consistent Hashing and Random Trees" (STOC '97), with virtual nodes as in DeCandia et
//! al., "Dynamo" (SOSP '07), section 4.2. Positions on the circle are numbers of 64 bits. A member owns
//! some of them, its *tokens*; a key's replicas are the owners of the first tokens at or after the key's
//! position, as many different ones as there are to be replicas.
//!
//! Tokens are explicit in a [`View`]: nobody has to compute the same ones. [`position`] and [`Ring::of`]
//! depend on bytes and on small ids alone, so a model and a production cluster place alike.

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
    /// Who owns which token.
    pub tokens: Arc<BTreeMap<u64, Id>>,
    /// How many replicas a key has; fewer where there are not so many members.
    pub replicas: u8,
}

/// Two rings, during one epoch; stable when both are equal, else joint.
///
/// Invariant: there is one view an epoch.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct View {
    /// The number of this view; grows with each.
    pub epoch: u64,
    /// The ring that has everything.
    pub old: Ring,
    /// The ring that is to have everything.
    pub new: Ring,
}

/// A part of the circle, both ends included, that never wraps around.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Span {
    /// The first position.
    pub from: u64,
    /// The last position.
    pub upto: u64,
}

/// The position of some bytes: FNV-1a with 64 bits, then the finalizer of MurmurHash3, since FNV alone
/// leaves the high bits of short keys much alike. It is part of the stored format: never change it.
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

    /// A ring of these members. Token `i` of a member is the [`position`] of its id and `i`, 8 and 4
    /// bytes in big-endian order. Should two members meet at a token, the smaller id has it.
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

impl View {
    /// The view in which a ring is everything there is.
    pub fn stable(epoch: u64, ring: Ring) -> Self {
        View { epoch, old: ring.clone(), new: ring }
    }

    /// Whether there is one ring only.
    pub fn is_stable(&self) -> bool {
        self.old == self.new
    }

    /// Everyone in either ring.
    pub fn members(&self) -> BTreeSet<Id> {
        self.old.tokens.values().chain(self.new.tokens.values()).copied().collect()
    }

    /// Everyone who is asked about what is at a position.
    pub fn replicas(&self, position: u64) -> BTreeSet<Id> {
        let mut all: BTreeSet<_> = self.old.replicas(position).into_iter().collect();
        if !self.is_stable() {
            all.extend(self.new.replicas(position));
        }
        all
    }

    /// Whether those for whom `has` holds are a quorum for what is at a position: a majority of its old
    /// replica set *and* of its new one.
    pub fn is_quorum(&self, position: u64, has: impl Fn(Id) -> bool) -> bool {
        is_majority(&self.old.replicas(position), &has)
            && (self.is_stable() || is_majority(&self.new.replicas(position), &has))
    }

    /// Whether `id` has to fetch what is at a position before it may vote on it: it joins the replica set,
    /// or sets of unequal size meet. (Of sets of equal size, a new majority holds a newcomer, which has
    /// everything, or is a majority of the old set. Of unequal ones it need not.)
    pub fn must_fetch(&self, position: u64, id: Id) -> bool {
        if self.is_stable() {
            return false;
        }
        let (old, new) = (self.old.replicas(position), self.new.replicas(position));
        new.contains(&id) && (!old.contains(&id) || old.len() != new.len())
    }

    /// The circle, cut wherever either ring has a token: within a span, replica sets do not change.
    pub fn spans(&self) -> Vec<Span> {
        let cuts: BTreeSet<_> =
            self.old.tokens.keys().chain(self.new.tokens.keys()).copied().collect();
        let mut spans = Vec::with_capacity(cuts.len() + 1);
        let mut from = Some(0);
        for upto in cuts {
            if let Some(from) = from {
                spans.push(Span { from, upto });
            }
            from = upto.checked_add(1);
        }
        spans.extend(from.map(|from| Span { from, upto: u64::MAX }));
        spans
    }

    /// What `id` has to fetch: spans that meet and have the same replica sets are one.
    pub fn fetches(&self, id: Id) -> Vec<Span> {
        if self.is_stable() || !self.new.tokens.values().any(|member| *member == id) {
            return Vec::new();
        }
        let sets = |span: &Span| {
            let set = |ring: &Ring| ring.replicas(span.upto).into_iter().collect::<BTreeSet<_>>();
            (set(&self.old), set(&self.new))
        };
        let mut merged: Vec<Span> = Vec::new();
        for span in self.spans() {
            if !self.must_fetch(span.upto, id) {
                continue;
            }
            match merged.last_mut() {
                Some(last) if last.upto + 1 == span.from && sets(last) == sets(&span) => {
                    last.upto = span.upto;
                }
                _ => merged.push(span),
            }
        }
        merged
    }

    /// Everyone who has something to fetch, and reports when it has done so.
    pub fn newcomers(&self) -> BTreeSet<Id> {
        let mut newcomers = BTreeSet::new();
        if !self.is_stable() {
            for span in self.spans() {
                let new = self.new.replicas(span.upto).into_iter();
                newcomers.extend(new.filter(|id| self.must_fetch(span.upto, *id)));
            }
        }
        newcomers
    }

    /// Whether this view may be decided to follow `last`; `reported` says whether every newcomer of `last`
    /// has reported.
    ///
    /// Neighbours share a ring whose majorities every operation of either needs: stable(A) → joint(A, B);
    /// joint(A, B) → joint(A, C), → stable(A), and, when all have reported, → stable(B).
    pub fn may_follow(&self, last: &View, reported: bool) -> bool {
        self.epoch == last.epoch + 1
            && (self.old == last.old || (self.is_stable() && self.new == last.new && reported))
    }
}

/// Whether those for whom `has` holds are more than half.
pub fn is_majority(ids: &[Id], has: impl Fn(Id) -> bool) -> bool {
    ids.iter().filter(|id| has(**id)).count() * 2 > ids.len()
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

    #[test]
    fn spans_cover_the_circle_and_agree_with_positions() {
        let (old, new) = (Ring::of(ids(0..4)), Ring::of(ids(1..5)));
        let view = View { epoch: 2, old, new };
        let spans = view.spans();
        assert_eq!(spans.first().map(|span| span.from), Some(0));
        assert_eq!(spans.last().map(|span| span.upto), Some(u64::MAX));
        assert!(spans.windows(2).all(|pair| pair[0].upto + 1 == pair[1].from));
        for span in spans {
            for at in [span.from, span.from + (span.upto - span.from) / 2] {
                assert_eq!(view.old.replicas(at), view.old.replicas(span.upto));
                assert_eq!(view.new.replicas(at), view.new.replicas(span.upto));
            }
        }
        assert!(view.newcomers().contains(&Id::from(4)));
    }

    #[test]
    fn only_neighbours_that_share_a_ring_follow_each_other() {
        let [a, b, c] = [0..3, 1..4, 2..5].map(|members| Ring::of(ids(members)));
        let joint =
            |epoch, old: &Ring, new: &Ring| View { epoch, old: old.clone(), new: new.clone() };
        let stable = |epoch, ring: &Ring| View::stable(epoch, ring.clone());
        assert!(joint(2, &a, &b).may_follow(&stable(1, &a), false));
        assert!(joint(3, &a, &c).may_follow(&joint(2, &a, &b), false));
        assert!(stable(3, &a).may_follow(&joint(2, &a, &b), false));
        assert!(stable(3, &b).may_follow(&joint(2, &a, &b), true));
        assert!(!stable(3, &b).may_follow(&joint(2, &a, &b), false));
        assert!(!stable(2, &b).may_follow(&stable(1, &a), true));
        assert!(!joint(3, &b, &c).may_follow(&joint(2, &a, &b), true));
        assert!(!joint(2, &b, &c).may_follow(&stable(1, &a), true));
        assert!(!joint(3, &a, &b).may_follow(&stable(1, &a), true));
    }
}
