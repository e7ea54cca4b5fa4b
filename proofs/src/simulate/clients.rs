//! What clients of a simulated system do.

use super::dice::Dice;
use crate::history::History;
use chainring_model::kv::{Key, Op, Value};

/// How many operations on a key may be open, the unknown ones among them, before clients take
/// another: with each, the ways in which the key may stand are many times as many.
const OPEN: usize = 5;

/// What clients like to do.
pub(crate) struct Habits {
    /// The keys that they work on at a time, by the first part of their names.
    pub names: &'static [&'static str],
    /// How many operations work on the same few keys, before a client goes on to others.
    pub same_keys: usize,
    /// Of a hundred operations, below which number one is a read, a read of an older key, a put, an
    /// increment, a compare-and-swap, a create, an update; the others are deletes.
    pub below: [u64; 7],
}

impl Habits {
    /// What a client does, in order. Values that are put are multiples of a thousand, each put
    /// once.
    pub fn ops(&self, dice: &mut Dice, count: usize, value: &mut i64) -> Vec<(Key, Op)> {
        let mut fresh = || {
            *value += 1000;
            Value::from(*value)
        };
        let mut before = Value::from(0);
        let ops = (0..count).map(|place| {
            let age = place / self.same_keys;
            let name = dice.pick(self.names);
            let key = |age| Key::from(format!("{name}{age}").as_str());
            let drawn = dice.below(100);
            let op = match self.below.iter().take_while(|below| drawn >= **below).count() {
                0 => Op::Get,
                1 => return (key(dice.below(age as u64 + 1) as usize), Op::Get),
                2 => Op::Put(fresh()),
                3 => Op::Increment(1),
                4 => Op::CompareAndSwap { expected: before.clone(), new: fresh() },
                5 => Op::Create(fresh()),
                6 => Op::Update(fresh()),
                _ => Op::Delete,
            };
            if let Op::Put(value) | Op::Create(value) | Op::Update(value) = &op {
                before = value.clone();
            }
            (key(age), op)
        });
        ops.collect()
    }
}

/// The key that an operation is done on after all: another one where too much is open.
pub(crate) fn reconsidered(history: &History, mut key: Key, op: &Op) -> Key {
    let open = OPEN + usize::from(op.is_read());
    while history.open(&key) >= open {
        key = Key::from([&key, &b"'"[..]].concat());
    }
    key
}
