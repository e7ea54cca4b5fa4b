//! Cursors of `SCAN`: numbers that clients can carry, for positions that are keys.
//!
//! A position is a chain and the last key of a page, up to 510 bytes; a cursor is an unsigned
//! number of 64 bits, and many clients keep it in a double. So the server remembers which number
//! stands for which key, in a table for all of its connections (pools send the pages of one scan
//! over several). The numbers are drawn at random from 53 bits: a cursor of another node, or of an
//! earlier start, is then unknown here rather than another scan's position, which would skip keys
//! without a word.
//!
//! A cursor may be used again (a client whose connection broke repeats its page). The table is
//! bounded; the one that was not used for longest is forgotten first, and a client that comes with
//! a forgotten cursor is told to begin again.

use super::Position;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};

/// Cursors are below this, so that a double holds them exactly.
const RANGE: u64 = 1 << 53;

/// The positions of the scans that are under way.
#[derive(Debug)]
pub(super) struct Cursors {
    capacity: usize,
    positions: HashMap<u64, (Position, u64)>,
    /// Cursors by their last use. Invariant: holds exactly the second parts of `positions`.
    by_use: BTreeMap<u64, u64>,
    uses: u64,
    random: RandomState,
}

impl Cursors {
    /// An empty table that remembers up to `capacity` positions.
    pub(super) fn new(capacity: usize) -> Self {
        Cursors {
            capacity: capacity.max(1),
            positions: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            random: RandomState::new(),
        }
    }

    /// Remembers a position and names it; never by 0, which means "from the beginning".
    pub(super) fn remember(&mut self, position: Position) -> u64 {
        while self.positions.len() >= self.capacity {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.positions.remove(&oldest);
        }
        // SipHash of a counter under a random key of this process: unpredictable, and never the
        // same in two processes. The few collisions draw again.
        let cursor = loop {
            self.uses += 1;
            let drawn = self.random.hash_one(self.uses) % RANGE;
            if drawn != 0 && !self.positions.contains_key(&drawn) {
                break drawn;
            }
        };
        self.positions.insert(cursor, (position, self.uses));
        self.by_use.insert(self.uses, cursor);
        cursor
    }

    /// The position that a cursor names, unless it was forgotten or never given out.
    pub(super) fn position(&mut self, cursor: u64) -> Option<Position> {
        let (position, used) = self.positions.get_mut(&cursor)?;
        self.uses += 1;
        self.by_use.remove(used);
        *used = self.uses;
        self.by_use.insert(self.uses, cursor);
        Some(position.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_unused_for_longest_is_forgotten() {
        let position = |part, key: &str| Position { part, after: Some(key.into()) };
        let mut cursors = Cursors::new(2);
        let a = cursors.remember(position(0, "a"));
        let b = cursors.remember(position(0, "b"));
        assert_eq!(cursors.position(a), Some(position(0, "a")));
        let c = cursors.remember(position(1, "a"));
        assert_eq!(cursors.position(b), None);
        assert_eq!(cursors.position(a), Some(position(0, "a")));
        assert_eq!(cursors.position(c), Some(position(1, "a")));
        assert_eq!(cursors.by_use.len(), cursors.positions.len());
        assert!([a, b, c].iter().all(|cursor| (1..RANGE).contains(cursor)));
    }
}
