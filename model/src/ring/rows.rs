//! What the actors of a ring keep, and the bytes of its keys.

use super::{Floors, Register, View};
use crate::coordinator;
use crate::kv;
use crate::membership;
use crate::store::OrderedKey;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};

/// The longest key of a ring, in bytes: a row's key also holds the key's position, of 8 bytes.
pub const MAX_KEY_BYTES: usize = kv::MAX_KEY_BYTES - 8;

/// The keys of a ring actor's store, a variant a table.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Key {
    /// The newest view that the actor has installed; holds a [`Row::View`].
    View,
    /// How what is missing reads; holds a [`Row::Floors`].
    Floors,
    /// Which start of the gateway this is; holds a [`Row::Incarnation`].
    Started,
    /// Whether an operator wants the node in the ring, if one has said so; holds a [`Row::Wanted`].
    Wanted,
    /// A coordinator's; holds a [`Row::Views`].
    Views(coordinator::Key),
    /// What is being fetched of the span that ends here; holds a [`Row::Transfer`].
    Transfer(u64),
    /// A tombstone, by position and key; holds a [`Row::Tombstone`].
    Tombstone(u64, kv::Key),
    /// A register, by position and key, so that a span is a range; holds a [`Row::Register`].
    Register(u64, kv::Key),
    /// A member's; holds a [`Row::Members`].
    Members(membership::Key),
}

/// The rows of a ring actor's store.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Row {
    /// At [`Key::View`].
    View(View),
    /// At [`Key::Floors`].
    Floors(Floors),
    /// At [`Key::Started`].
    Incarnation(u32),
    /// At [`Key::Wanted`].
    Wanted(bool),
    /// At [`Key::Views`].
    Views(coordinator::Row<View>),
    /// At [`Key::Transfer`].
    Transfer(Transfer),
    /// At [`Key::Tombstone`].
    Tombstone,
    /// At [`Key::Register`].
    Register(Register),
    /// At [`Key::Members`].
    Members(membership::Row),
}

/// How far a newcomer is with a span.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Transfer {
    /// Where the span begins.
    pub from: u64,
    /// Whether what was there before is forgotten. Invariant: nothing is asked for and nothing is
    /// given before that.
    pub begun: bool,
    /// The old replicas that have given everything. Invariant: not a majority of them.
    pub done: BTreeSet<Id>,
    /// Those that have given a part: everything up to this key.
    pub partly: BTreeMap<Id, (u64, kv::Key)>,
}

impl OrderedKey for Key {
    /// A byte that names the table, then the parts, numbers in big-endian order.
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Key::View => vec![0],
            Key::Floors => vec![1],
            Key::Started => vec![2],
            Key::Wanted => vec![3],
            Key::Views(coordinator::Key::Decided) => vec![4, 0],
            Key::Views(coordinator::Key::Vote) => vec![4, 1],
            Key::Transfer(upto) => [&[5], &upto.to_be_bytes()[..]].concat(),
            Key::Tombstone(at, key) => [&[6], &at.to_be_bytes()[..], key].concat(),
            Key::Register(at, key) => [&[7], &at.to_be_bytes()[..], key].concat(),
            Key::Members(membership::Key::Own) => vec![8, 0],
            Key::Members(membership::Key::Member(id)) => {
                let number = usize::from(*id) as u64;
                [&[8, 1], &number.to_be_bytes()[..]].concat()
            }
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (table, rest) = bytes.split_first()?;
        Some(match (table, rest) {
            (0, []) => Key::View,
            (1, []) => Key::Floors,
            (2, []) => Key::Started,
            (3, []) => Key::Wanted,
            (4, [0]) => Key::Views(coordinator::Key::Decided),
            (4, [1]) => Key::Views(coordinator::Key::Vote),
            (5, rest) => Key::Transfer(u64::from_be_bytes(rest.try_into().ok()?)),
            (6 | 7, rest) => {
                let (at, key) = rest.split_first_chunk()?;
                let (at, key) = (u64::from_be_bytes(*at), kv::Key::from(key));
                if *table == 6 { Key::Tombstone(at, key) } else { Key::Register(at, key) }
            }
            (8, [0]) => Key::Members(membership::Key::Own),
            (8, [1, number @ ..]) => {
                let number = usize::try_from(u64::from_be_bytes(number.try_into().ok()?));
                Key::Members(membership::Key::Member(number.ok()?.into()))
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_keys_sort_as_the_keys_do() {
        let mut keys = vec![
            Key::View,
            Key::Floors,
            Key::Started,
            Key::Wanted,
            Key::Views(coordinator::Key::Decided),
            Key::Views(coordinator::Key::Vote),
            Key::Transfer(1),
            Key::Transfer(256),
            Key::Tombstone(0, "".into()),
            Key::Tombstone(2, "a".into()),
            Key::Register(1, "b".into()),
            Key::Register(1, "ba".into()),
            Key::Register(u64::MAX, "a".into()),
            Key::Members(membership::Key::Own),
            Key::Members(membership::Key::Member(Id::from(1))),
            Key::Members(membership::Key::Member(Id::from(256))),
        ];
        for key in &keys {
            assert_eq!(Key::from_bytes(&key.to_bytes()).as_ref(), Some(key));
        }
        let sorted = keys.clone();
        keys.reverse();
        keys.sort_by_key(Key::to_bytes);
        assert_eq!(keys, sorted);
        for foreign in
            [&[][..], &[0, 0], &[3, 1], &[4, 2], &[9], &[7, 1, 2, 3], &[8, 2], &[8, 1, 7]]
        {
            assert_eq!(Key::from_bytes(foreign), None);
        }
        let longest = kv::Key::from(vec![0; MAX_KEY_BYTES]);
        assert_eq!(Key::Register(0, longest).to_bytes().len(), 511);
    }
}
