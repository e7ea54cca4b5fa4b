//! What a member knows of the others: rows, their order, and parts of a table.

use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// How a member fares, as far as the others know.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Status {
    /// When nothing speaks against it.
    Alive,
    /// When it did not answer a member.
    Suspect {
        /// The newest of those that found so that the teller has heard of.
        by: Id,
    },
    /// When a suspicion has lasted too long.
    Dead,
    /// When it has said itself that it goes.
    Left,
}

impl Status {
    /// What overrules what, within an incarnation.
    fn rank(self) -> u8 {
        match self {
            Status::Alive => 0,
            Status::Suspect { .. } => 1,
            Status::Dead => 2,
            Status::Left => 3,
        }
    }

    /// Whether this is final for the incarnation.
    pub fn is_gone(self) -> bool {
        matches!(self, Status::Dead | Status::Left)
    }

    /// This, without a suspicion.
    fn settled(self) -> Status {
        if let Status::Suspect { .. } = self { Status::Alive } else { self }
    }
}

/// What is known of a member.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Entry {
    /// The node of the ring that it speaks for.
    pub node: Id,
    /// Which of its lives this is about. Invariant: on a table, never goes back.
    pub incarnation: u64,
    /// How it fares in that life.
    pub status: Status,
}

impl Entry {
    /// What is known of a seed before anything was heard of it: that it is in its first life. So a
    /// ring that starts for the first time has no news to tell.
    pub fn expected(node: Id) -> Entry {
        Entry { node, incarnation: 1, status: Status::Alive }
    }

    /// What makes one row newer than another of the same member: the incarnation, then the status.
    /// So a member overrules what is said of it by a higher incarnation, and no other
    /// overrules death.
    pub fn version(&self) -> (u64, u8) {
        (self.incarnation, self.status.rank())
    }

    /// This, without a suspicion: suspicions are not stored, and not exchanged.
    pub fn settled(self) -> Entry {
        Entry { status: self.status.settled(), ..self }
    }
}

/// A row on its way.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Rumour {
    /// The member that it is about.
    pub member: Id,
    /// What is said.
    pub entry: Entry,
}

/// All rows that a member has, its own among them.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Table(BTreeMap<Id, Entry>);

impl Table {
    /// What is known of a member.
    pub fn get(&self, member: Id) -> Option<&Entry> {
        self.0.get(&member)
    }

    /// All rows, in ascending order of members.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &Entry)> {
        self.0.iter().map(|(member, entry)| (*member, entry))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members that are not known to be gone, the suspected ones among them.
    pub fn alive(&self) -> impl Iterator<Item = Id> {
        self.iter().filter(|(_, entry)| !entry.status.is_gone()).map(|(member, _)| member)
    }

    /// The nodes for which no member speaks any more: every member that spoke for them is dead or
    /// has left.
    pub fn gone(&self) -> BTreeSet<Id> {
        let is_gone = |entry: &&Entry| entry.status.is_gone();
        let mut gone: BTreeSet<Id> =
            self.0.values().filter(is_gone).map(|entry| entry.node).collect();
        for entry in self.0.values().filter(|entry| !entry.status.is_gone()) {
            gone.remove(&entry.node);
        }
        gone
    }

    /// The first members from `after` on, and from the beginning again; each once.
    pub(super) fn from(&self, after: Id) -> impl Iterator<Item = (Id, &Entry)> {
        let behind = self.0.range((Bound::Excluded(after), Bound::Unbounded));
        behind.chain(self.0.range(..=after)).map(|(member, entry)| (*member, entry))
    }

    /// The rows of the members from `from` to `until`, which is not in it, at most `most` of them;
    /// and where they end: at `until`, or before the first that found no room. Without suspicions.
    pub(super) fn part(
        &self,
        from: Id,
        until: Option<Id>,
        most: usize,
    ) -> (Vec<Rumour>, Option<Id>) {
        let upper = until.map_or(Bound::Unbounded, Bound::Excluded);
        if until.is_some_and(|until| until <= from) {
            return (Vec::new(), until); // a range of maps would panic
        }
        let mut range = self.0.range((Bound::Included(from), upper));
        let rows = range.by_ref().take(most);
        let rows: Vec<_> = rows
            .map(|(member, entry)| Rumour { member: *member, entry: entry.settled() })
            .collect();
        let end = range.next().map(|(member, _)| *member).or(until);
        (rows, end)
    }

    pub(super) fn insert(&mut self, member: Id, entry: Entry) {
        self.0.insert(member, entry);
    }

    pub(super) fn remove(&mut self, member: Id) {
        self.0.remove(&member);
    }
}

/// A digest of rows. The same in every build, since nodes compare theirs.
pub(super) fn digest(rows: &[Rumour]) -> u64 {
    rows.iter().fold(0, |digest, Rumour { member, entry }| {
        let (incarnation, rank) = entry.version();
        let words = [id(*member), id(entry.node), incarnation, u64::from(rank)];
        words.into_iter().fold(digest, |digest, word| mix(digest ^ mix(word)))
    })
}

/// Where a member comes in an order that differs for everyone, and from one pass to the next.
pub(super) fn place(of: Id, pass: u64, member: Id) -> u64 {
    mix(id(of) ^ mix(pass ^ mix(id(member))))
}

fn id(id: Id) -> u64 {
    usize::from(id) as u64
}

/// A permutation of 64 bits in which every bit depends on every other one (the finalizer of
/// SplitMix64; Steele, Lea & Flood, OOPSLA 2014).
fn mix(word: u64) -> u64 {
    let mut word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(incarnation: u64, status: Status) -> Entry {
        Entry { node: Id::from(9), incarnation, status }
    }

    fn table(rows: impl IntoIterator<Item = (usize, Entry)>) -> Table {
        Table(rows.into_iter().map(|(member, entry)| (Id::from(member), entry)).collect())
    }

    #[test]
    fn a_higher_incarnation_overrules_and_then_the_worse_status() {
        let suspect = Status::Suspect { by: Id::from(1) };
        let order = [
            entry(1, Status::Alive),
            entry(1, suspect),
            entry(1, Status::Dead),
            entry(1, Status::Left),
            entry(2, Status::Alive),
        ];
        assert!(order.windows(2).all(|pair| pair[0].version() < pair[1].version()));
        let other = entry(1, Status::Suspect { by: Id::from(2) });
        assert_eq!(order[1].version(), other.version(), "whoever suspects");
        assert_eq!(order[1].settled(), order[0]);
    }

    #[test]
    fn parts_are_bounded_and_whatever_is_asked_for_gives_no_panic() {
        let table = table((0..10).map(|member| (member * 10, entry(1, Status::Alive))));
        let ids =
            |rows: Vec<Rumour>| rows.iter().map(|row| usize::from(row.member)).collect::<Vec<_>>();
        let part = |from: usize, until: Option<usize>| {
            let (rows, end) = table.part(Id::from(from), until.map(Id::from), 3);
            (ids(rows), end.map(usize::from))
        };
        assert_eq!(part(0, None), (vec![0, 10, 20], Some(30)));
        assert_eq!(part(15, Some(40)), (vec![20, 30], Some(40)));
        assert_eq!(part(15, Some(30)), (vec![20], Some(30)));
        assert_eq!(part(85, None), (vec![90], None));
        assert_eq!(part(usize::MAX, None), (vec![], None));
        assert_eq!(part(40, Some(40)), (vec![], Some(40)));
        assert_eq!(part(40, Some(0)), (vec![], Some(0)));
    }

    #[test]
    fn a_node_is_gone_when_nobody_speaks_for_it() {
        let of = |node: usize, status| Entry { node: Id::from(node), incarnation: 1, status };
        let suspect = Status::Suspect { by: Id::from(9) };
        let table = table([
            (0, of(10, Status::Dead)),
            (1, of(11, Status::Left)),
            (2, of(12, suspect)),
            (3, of(13, Status::Dead)),
            (4, of(13, Status::Alive)), // a member that took over
        ]);
        assert_eq!(table.gone(), BTreeSet::from([Id::from(10), Id::from(11)]));
        assert_eq!(table.alive().map(usize::from).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn digests_tell_rows_apart_and_pass_over_suspicions() {
        let rows = |status| {
            table([(0, entry(1, Status::Alive)), (1, entry(1, status))]).part(Id::from(0), None, 9)
        };
        let suspect = Status::Suspect { by: Id::from(0) };
        assert_eq!(digest(&rows(Status::Alive).0), digest(&rows(suspect).0));
        assert_ne!(digest(&rows(Status::Alive).0), digest(&rows(Status::Dead).0));
        assert_ne!(digest(&rows(Status::Alive).0[..1]), digest(&rows(Status::Alive).0));
        // Nodes of different builds compare digests.
        assert_eq!(digest(&rows(Status::Alive).0), digest(&rows(Status::Alive).0.clone()));
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf, "the generator's first output");
    }

    #[test]
    fn a_walk_around_the_table_meets_everyone_once() {
        let table = table([(1, 1), (5, 1), (7, 1)].map(|(at, n)| (at, entry(n, Status::Alive))));
        let from = |after: usize| -> Vec<_> {
            table.from(Id::from(after)).map(|(member, _)| usize::from(member)).collect()
        };
        assert_eq!(from(5), [7, 1, 5]);
        assert_eq!(from(6), [7, 1, 5]);
        assert_eq!(from(usize::MAX), [1, 5, 7]);
    }
}
