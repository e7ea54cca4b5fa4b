//! What the actors of a chain keep, and the bytes of its keys.

use super::{Entry, Transfer, View};
use crate::coordinator;
use crate::kv::{self, OpId, Outcome, Value};
use crate::store::OrderedKey;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;

/// The keys of a chain actor's store, a variant a table.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Key {
    /// The newest view that the replica or gateway has installed; holds a [`Row::View`].
    View,
    /// Up to where the log is applied; holds a [`Row::Committed`].
    Committed,
    /// Which start of the gateway or replica this is; holds a [`Row::Incarnation`].
    Started,
    /// The last operation applied of a gateway's lane; holds a [`Row::Lane`].
    Lane(Id, u32),
    /// An entry that is received and not yet known committed, which holds a [`Row::Entry`]; or one
    /// that is committed, and *retained* for a learner or for a member that returns, which holds a
    /// [`Row::Touched`].
    Log(u64),
    /// A client's key; holds a [`Row::Data`].
    Data(kv::Key),
    /// A coordinator's; holds a [`Row::Views`].
    Views(coordinator::Key),
    /// How far this replica is in a transfer to, or from, a learner; holds a [`Row::Transfer`].
    Transfer,
    /// A client's key that was deleted while a learner's scan had not come to it; holds a
    /// [`Row::Tombstone`].
    Tombstone(kv::Key),
}

/// The rows of a chain actor's store.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Row {
    /// At [`Key::View`].
    View(View),
    /// At [`Key::Committed`].
    Committed {
        /// Everything up to here is applied.
        index: u64,
        /// How many client keys are present.
        keys: u64,
    },
    /// At [`Key::Started`].
    Incarnation(u32),
    /// At [`Key::Lane`].
    Lane {
        /// The gateway's incarnation in which the operation was invoked.
        incarnation: u32,
        /// Its number in the lane.
        seq: u64,
        /// Its outcome, to answer a retry with.
        outcome: Outcome,
    },
    /// At [`Key::Log`].
    Entry(Entry),
    /// At [`Key::Data`].
    Data {
        /// The index of the update that wrote it.
        index: u64,
        /// What the key holds.
        value: Value,
    },
    /// At [`Key::Views`].
    Views(coordinator::Row<View>),
    /// At [`Key::Transfer`].
    Transfer(Transfer),
    /// At [`Key::Tombstone`].
    Tombstone {
        /// Up to where the tail had committed when the key was absent there.
        index: u64,
    },
    /// At [`Key::Log`], of what is committed: which rows the entry touched.
    Touched {
        /// Whose operation it was: its lane is one of the rows.
        id: OpId,
        /// The client's key is the other one.
        key: kv::Key,
    },
}

impl Row {
    /// How many bytes of keys and values it carries.
    pub fn bytes(&self) -> usize {
        match self {
            Row::Data { value, .. } => value.len(),
            Row::Entry(entry) => entry.bytes(),
            Row::Touched { key, .. } => key.len(),
            Row::View(_)
            | Row::Committed { .. }
            | Row::Incarnation(_)
            | Row::Lane { .. }
            | Row::Views(_)
            | Row::Transfer(_)
            | Row::Tombstone { .. } => 0,
        }
    }

    /// The operation of an entry in the log.
    pub fn operation(&self) -> Option<OpId> {
        match self {
            Row::Entry(entry) => Some(entry.id),
            Row::Touched { id, .. } => Some(*id),
            Row::View(_)
            | Row::Committed { .. }
            | Row::Incarnation(_)
            | Row::Lane { .. }
            | Row::Data { .. }
            | Row::Views(_)
            | Row::Transfer(_)
            | Row::Tombstone { .. } => None,
        }
    }
}

impl OrderedKey for Key {
    /// A byte that names the table, then the parts, numbers in big-endian order.
    fn to_bytes(&self) -> Vec<u8> {
        let id_bytes = |id: &Id| (usize::from(*id) as u64).to_be_bytes();
        match self {
            Key::View => vec![0],
            Key::Committed => vec![1],
            Key::Started => vec![2],
            Key::Lane(id, lane) => [&[3], &id_bytes(id)[..], &lane.to_be_bytes()].concat(),
            Key::Log(index) => [&[4], &index.to_be_bytes()[..]].concat(),
            Key::Data(key) => [&[5], &key[..]].concat(),
            Key::Views(coordinator::Key::Decided) => vec![6, 0],
            Key::Views(coordinator::Key::Vote) => vec![6, 1],
            Key::Transfer => vec![7],
            Key::Tombstone(key) => [&[8], &key[..]].concat(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let id_of = |bytes: [u8; 8]| Id::from(u64::from_be_bytes(bytes) as usize);
        let (table, rest) = bytes.split_first()?;
        Some(match (table, rest) {
            (0, []) => Key::View,
            (1, []) => Key::Committed,
            (2, []) => Key::Started,
            (3, rest) => {
                let (id, lane) = rest.split_first_chunk()?;
                Key::Lane(id_of(*id), u32::from_be_bytes(lane.try_into().ok()?))
            }
            (4, rest) => Key::Log(u64::from_be_bytes(rest.try_into().ok()?)),
            (5, key) => Key::Data(key.into()),
            (6, [0]) => Key::Views(coordinator::Key::Decided),
            (6, [1]) => Key::Views(coordinator::Key::Vote),
            (7, []) => Key::Transfer,
            (8, key) => Key::Tombstone(key.into()),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_keys_sort_as_the_keys_do() {
        let id = |n: usize| Id::from(n);
        let mut keys = vec![
            Key::View,
            Key::Committed,
            Key::Started,
            Key::Lane(id(1), 2),
            Key::Lane(id(1), 256),
            Key::Lane(id(2), 0),
            Key::Lane(id(256), 0),
            Key::Log(1),
            Key::Log(u64::MAX),
            Key::Data("".into()),
            Key::Data("a".into()),
            Key::Data("ab".into()),
            Key::Views(coordinator::Key::Decided),
            Key::Views(coordinator::Key::Vote),
            Key::Transfer,
            Key::Tombstone("a".into()),
        ];
        for key in &keys {
            assert_eq!(Key::from_bytes(&key.to_bytes()).as_ref(), Some(key));
        }
        let sorted = keys.clone();
        keys.reverse();
        keys.sort_by_key(Key::to_bytes);
        assert_eq!(keys, sorted);
        for foreign in [&[][..], &[0, 0], &[3, 1], &[9], &[4, 1, 2, 3]] {
            assert_eq!(Key::from_bytes(foreign), None);
        }
    }
}
