//! The deadline table: one entry per alarm, the earliest first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// When an alarm is due, and how many were set before it.
type Place = (Duration, u64);

/// Invariants: `places` and `alarms` hold the same pairs; every place is there once.
pub(super) struct Deadlines<K> {
    places: HashMap<K, Place>,
    alarms: BTreeMap<Place, K>,
    set_so_far: u64,
}

impl<K: Clone + Eq + Hash> Deadlines<K> {
    pub fn new() -> Self {
        Self { places: HashMap::new(), alarms: BTreeMap::new(), set_so_far: 0 }
    }

    /// Sets an alarm; one that was set before under this key is forgotten.
    pub fn set(&mut self, key: K, due: Duration) {
        let place = (due, self.set_so_far);
        self.set_so_far += 1;
        if let Some(before) = self.places.insert(key.clone(), place) {
            self.alarms.remove(&before);
        }
        self.alarms.insert(place, key);
    }

    /// Forgets an alarm, if it is set.
    pub fn cancel(&mut self, key: &K) {
        if let Some(place) = self.places.remove(key) {
            self.alarms.remove(&place);
        }
    }

    /// When the next alarm is due.
    pub fn next(&self) -> Option<Duration> {
        self.alarms.first_key_value().map(|((due, _), _)| *due)
    }

    /// A mark that divides the alarms set so far from those that will be set.
    pub fn mark(&self) -> u64 {
        self.set_so_far
    }

    /// Takes out the earliest alarm that is due now and was set before the mark. (One that a
    /// handler sets for "at once" waits for the next turn, so that a turn ends.)
    pub fn take_due(&mut self, now: Duration, mark: u64) -> Option<K> {
        let entry = self.alarms.first_entry()?;
        // Places are ordered by due time, then by age: behind one that is due now and young there
        // are only younger ones, because a young one is never due before now.
        let (due, age) = *entry.key();
        if due > now || age >= mark {
            return None;
        }
        let key = entry.remove();
        self.places.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_earliest_comes_first_and_only_once() {
        let mut table = Deadlines::new();
        table.set("b", at(20));
        table.set("a", at(30));
        table.set("c", at(20));
        table.set("a", at(10));
        table.set("d", at(40));
        table.cancel(&"c");
        table.cancel(&"never set");
        assert_eq!(table.next(), Some(at(10)));
        let mark = table.mark();
        assert_eq!(table.take_due(at(9), mark), None);
        assert_eq!(table.take_due(at(30), mark), Some("a"));
        assert_eq!(table.take_due(at(30), mark), Some("b"));
        assert_eq!(table.take_due(at(30), mark), None);
        assert_eq!(table.next(), Some(at(40)));
        assert!(table.places.len() == 1 && table.alarms.len() == 1);
    }

    #[test]
    fn what_is_set_during_a_turn_waits_for_the_next() {
        let mut table = Deadlines::new();
        table.set("a", at(10));
        table.set("b", at(10));
        let mark = table.mark();
        assert_eq!(table.take_due(at(10), mark), Some("a"));
        table.set("a", at(10));
        assert_eq!(table.take_due(at(10), mark), Some("b"));
        assert_eq!(table.take_due(at(10), mark), None);
        assert_eq!(table.take_due(at(10), table.mark()), Some("a"));
    }
}
