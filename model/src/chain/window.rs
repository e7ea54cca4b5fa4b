//! The part of a replica's log that is not known to be committed.

use super::Entry;
use crate::kv::{Key, OpId};
use stateright::actor::Id;
use std::collections::BTreeMap;
use std::ops::Bound;

/// The entries above `committed`, by index, and two indexes over them, so that a request costs a
/// few look-ups however long the window is. All of it is volatile: the entries are mirrors of the
/// store's log.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Window {
    entries: BTreeMap<u64, Entry>,
    /// How many entries touch a key. Invariant: a key is *dirty* exactly if it is in here.
    dirty: BTreeMap<Key, u32>,
    /// The newest entry of each lane of each gateway, and its index.
    lanes: BTreeMap<(Id, u32), (OpId, u64)>,
    /// Of all keys and values here.
    bytes: usize,
}

impl Window {
    /// Adds an entry; its index is greater than all that are here.
    pub(super) fn push(&mut self, index: u64, entry: Entry) {
        let id = entry.id;
        self.bytes += entry.bytes();
        *self.dirty.entry(entry.key.clone()).or_default() += 1;
        self.lanes.insert((id.gateway, id.lane), (id, index));
        self.entries.insert(index, entry);
    }

    /// Removes the lowest entry, if its index is not above `upto`.
    pub(super) fn pop(&mut self, upto: u64) -> Option<(u64, Entry)> {
        let lowest = self.entries.first_entry()?;
        if *lowest.key() > upto {
            return None;
        }
        let (index, entry) = lowest.remove_entry();
        let id = entry.id;
        self.bytes -= entry.bytes();
        if let Some(count) = self.dirty.get_mut(&entry.key) {
            *count -= 1;
            if *count == 0 {
                self.dirty.remove(&entry.key);
            }
        }
        if self.lanes.get(&(id.gateway, id.lane)).is_some_and(|newest| newest.1 == index) {
            self.lanes.remove(&(id.gateway, id.lane));
        }
        Some((index, entry))
    }

    /// The entries from `index` on, in order.
    pub fn from(&self, index: u64) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.range(index..).map(|(index, entry)| (*index, entry))
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.from(0)
    }

    /// The highest index here.
    pub fn last(&self) -> Option<u64> {
        self.entries.last_key_value().map(|(index, _)| *index)
    }

    /// Whether nothing is in here.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes of keys and values are in here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many entries are in here.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether an entry here touches the key.
    pub fn is_dirty(&self, key: &Key) -> bool {
        self.dirty.contains_key(key)
    }

    /// Whether an entry of this gateway touches the key.
    pub(super) fn is_written_by(&self, gateway: Id, key: &Key) -> bool {
        self.entries.values().any(|entry| entry.id.gateway == gateway && entry.key == *key)
    }

    /// Whether an entry here touches a key behind `after`, up to `upto`; without them, any.
    pub fn is_dirty_within(&self, after: Option<&Key>, upto: Option<&Key>) -> bool {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.dirty.range((after, Bound::Unbounded)).next();
        behind.is_some_and(|(key, _)| upto.is_none_or(|upto| key <= upto))
    }

    /// The newest operation here of the same lane as `id`.
    pub(super) fn newest(&self, id: &OpId) -> Option<OpId> {
        self.lanes.get(&(id.gateway, id.lane)).map(|(newest, _)| *newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::Op;

    fn entry(incarnation: u32, lane: u32, seq: u64, key: &str) -> Entry {
        let id = OpId { gateway: Id::from(7), incarnation, lane, seq };
        Entry { id, key: key.into(), op: Op::Delete }
    }

    #[test]
    fn indexes_follow_pushes_and_pops() {
        let mut window = Window::default();
        window.push(4, entry(1, 0, 1, "a"));
        window.push(5, entry(1, 0, 2, "a"));
        window.push(6, entry(2, 1, 1, "b"));
        assert_eq!(window.newest(&entry(1, 0, 9, "").id), Some(entry(1, 0, 2, "").id));
        assert_eq!(window.pop(3), None);
        assert_eq!(window.pop(5).map(|(index, _)| index), Some(4));
        assert!(window.is_dirty(&"a".into()), "5 touches it too");
        assert_eq!(window.pop(5).map(|(index, _)| index), Some(5));
        assert_eq!(window.pop(5), None);
        assert!(!window.is_dirty(&"a".into()) && window.is_dirty(&"b".into()));
        assert_eq!(window.pop(6).map(|(index, _)| index), Some(6));
        assert_eq!(window, Window::default(), "an empty window is canonical");
    }

    #[test]
    fn a_stretch_is_dirty_where_an_entry_touches_it() {
        let mut window = Window::default();
        assert!(!window.is_dirty_within(None, None));
        window.push(4, entry(1, 0, 1, "b"));
        let within = |after: Option<&str>, upto: Option<&str>| {
            let (after, upto) = (after.map(Key::from), upto.map(Key::from));
            window.is_dirty_within(after.as_ref(), upto.as_ref())
        };
        assert!(within(None, None) && within(None, Some("b")) && within(Some("a"), Some("c")));
        assert!(!within(Some("b"), None) && !within(None, Some("a")) && !within(Some("c"), None));
    }
}
