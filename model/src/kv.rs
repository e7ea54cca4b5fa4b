//! What an operation on a key means: the one sequential specification.
//!
//! [`Op::apply`] is the *only* place where an operation means something. The replicas of every
//! protocol call it when an operation commits, and the linearizability checker calls it to judge
//! what clients saw. Linearizability is local (Herlihy & Wing, "Linearizability: A Correctness
//! Condition for Concurrent Objects", TOPLAS 1990, section 3.2), so the specification speaks of one
//! key only, and histories are checked key by key.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use stateright::actor::Id;
use std::fmt::{self, Debug, Formatter};
use std::ops::Deref;
use std::sync::Arc;

/// The longest key, in bytes. LMDB's limit is 511 bytes, one of which names the table.
pub const MAX_KEY_BYTES: usize = 510;

/// The longest value, in bytes: 1 MiB.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// A key: up to [`MAX_KEY_BYTES`] bytes, ordered as bytes.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Key(Bytes);

/// A value: up to [`MAX_VALUE_BYTES`] bytes. Cloning it copies a pointer.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Value(Bytes);

/// Shared, immutable bytes that serialize as one byte string rather than as a sequence of numbers.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Bytes(Arc<[u8]>);

/// One operation on one key.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Op {
    /// Reads the value; refused as [`Refusal::Absent`] where there is none.
    Get,
    /// Writes the value, whether or not the key is there.
    Put(Value),
    /// Writes the value only if the key is absent.
    Create(Value),
    /// Writes the value only if the key is present.
    Update(Value),
    /// Removes the key; refused as [`Refusal::Absent`] where there is none.
    Delete,
    /// Writes `new` only if the key's value is `expected`.
    CompareAndSwap {
        /// What the key must hold for the write to happen.
        expected: Value,
        /// What it holds afterwards.
        new: Value,
    },
    /// Adds to the value, a decimal integer; an absent key counts as 0.
    Increment(i64),
}

/// What became of an operation, as its client is told.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Outcome {
    /// A [`Op::Get`] found this value.
    Value(Value),
    /// The write happened.
    Done,
    /// The [`Op::Increment`] happened, and this is the key's new value.
    Number(i64),
    /// The operation changed nothing, and never will.
    Refused(Refusal),
    /// The deadline passed, or a ring's register remembers too little to tell. The operation may
    /// have happened, may happen later, or never.
    Unknown,
}

/// Why an operation was refused.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Refusal {
    /// The key is not there.
    Absent,
    /// The key is there already.
    Exists,
    /// The key holds another value than the expected one.
    Mismatch,
    /// The value is not a decimal integer of 64 bits.
    NotANumber,
    /// The sum does not fit into 64 bits.
    Overflow,
    /// The key is longer than [`MAX_KEY_BYTES`] or the value than [`MAX_VALUE_BYTES`].
    TooLarge,
    /// The deadline passed before anything could happen: of a read, of a write that found no room
    /// or turn in time, or of one that a ring had not proposed. Nothing about it is unknown.
    Unavailable,
}

/// The identity of an operation, the same in every retry of it.
///
/// Invariant: a lane has at most one operation outstanding, and within an incarnation its `seq`
/// only grows (gaps are allowed).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct OpId {
    /// The gateway that the operation came in through, where its reply goes.
    pub gateway: Id,
    /// Which start of that gateway it was; grows durably with each.
    pub incarnation: u32,
    /// The lane of that gateway.
    pub lane: u32,
    /// The operation's number in its lane.
    pub seq: u64,
}

impl Op {
    /// The sequential specification: the key's next value, and the operation's outcome.
    pub fn apply(&self, current: Option<&Value>) -> (Option<Value>, Outcome) {
        use Outcome::{Done, Number, Refused};
        let unchanged = |refusal| (current.cloned(), Refused(refusal));
        match (self, current) {
            (Op::Get, Some(value)) => (Some(value.clone()), Outcome::Value(value.clone())),
            (Op::Get | Op::Update(_) | Op::Delete | Op::CompareAndSwap { .. }, None) => {
                unchanged(Refusal::Absent)
            }
            (Op::Put(value), _) => (Some(value.clone()), Done),
            (Op::Create(value), None) => (Some(value.clone()), Done),
            (Op::Create(_), Some(_)) => unchanged(Refusal::Exists),
            (Op::Update(value), Some(_)) => (Some(value.clone()), Done),
            (Op::Delete, Some(_)) => (None, Done),
            (Op::CompareAndSwap { expected, new }, Some(value)) if expected == value => {
                (Some(new.clone()), Done)
            }
            (Op::CompareAndSwap { .. }, Some(_)) => unchanged(Refusal::Mismatch),
            (Op::Increment(by), _) => match current.map_or(Some(0), Value::as_number) {
                None => unchanged(Refusal::NotANumber),
                Some(number) => match number.checked_add(*by) {
                    None => unchanged(Refusal::Overflow),
                    Some(sum) => (Some(Value::from(sum)), Number(sum)),
                },
            },
        }
    }

    /// Whether the operation changes nothing, whatever the key holds.
    pub fn is_read(&self) -> bool {
        match self {
            Op::Get => true,
            Op::Put(_)
            | Op::Create(_)
            | Op::Update(_)
            | Op::Delete
            | Op::CompareAndSwap { .. }
            | Op::Increment(_) => false,
        }
    }

    /// The values that it carries: what it writes, and what it expects to find.
    pub fn values(&self) -> [Option<&Value>; 2] {
        match self {
            Op::Put(new) | Op::Create(new) | Op::Update(new) => [Some(new), None],
            Op::CompareAndSwap { expected, new } => [Some(new), Some(expected)],
            Op::Get | Op::Delete | Op::Increment(_) => [None, None],
        }
    }

    /// How many bytes of values it carries.
    pub fn bytes(&self) -> usize {
        self.values().into_iter().flatten().map(|value| value.len()).sum()
    }

    /// Refuses what no store takes: keys and values beyond the limits.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`].
    pub fn check(&self, key: &Key) -> Result<(), Refusal> {
        let is_long = |value: &Value| value.len() > MAX_VALUE_BYTES;
        if key.len() > MAX_KEY_BYTES || self.values().into_iter().flatten().any(is_long) {
            return Err(Refusal::TooLarge);
        }
        Ok(())
    }
}

impl Value {
    /// The decimal integer that this value spells, as Redis reads it: an optional minus sign and
    /// digits, no white space, no plus sign, no leading zeros.
    pub fn as_number(&self) -> Option<i64> {
        let number: i64 = std::str::from_utf8(self).ok()?.parse().ok()?;
        (number.to_string().as_bytes() == &**self).then_some(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::from(number.to_string().as_str())
    }
}

impl Debug for OpId {
    /// `gateway.incarnation/lane#seq`, short enough for sequence diagrams.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let OpId { gateway, incarnation, lane, seq } = self;
        write!(f, "{}.{incarnation}/{lane}#{seq}", usize::from(*gateway))
    }
}

macro_rules! byte_string {
    ($name:ident) => {
        impl Deref for $name {
            type Target = [u8];
            fn deref(&self) -> &[u8] {
                &self.0.0
            }
        }
        impl From<&[u8]> for $name {
            fn from(bytes: &[u8]) -> Self {
                $name(Bytes(bytes.into()))
            }
        }
        impl From<Vec<u8>> for $name {
            fn from(bytes: Vec<u8>) -> Self {
                $name(Bytes(bytes.into()))
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                text.as_bytes().into()
            }
        }
        impl Debug for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                write!(f, "\"{}\"", self.escape_ascii())
            }
        }
    };
}
byte_string!(Key);
byte_string!(Value);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.into()))
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes.into()))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                // Formats without byte strings (JSON) spell them as numbers.
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Value::from(text)
    }

    #[test]
    fn every_operation_on_a_present_and_on_an_absent_key() {
        let (a, b) = (value("a"), value("b"));
        let refused = Outcome::Refused;
        let swap =
            |expected: &Value| Op::CompareAndSwap { expected: expected.clone(), new: b.clone() };
        for (op, before, after, outcome) in [
            (Op::Get, None, None, refused(Refusal::Absent)),
            (Op::Get, Some(&a), Some(&a), Outcome::Value(a.clone())),
            (Op::Put(b.clone()), None, Some(&b), Outcome::Done),
            (Op::Put(b.clone()), Some(&a), Some(&b), Outcome::Done),
            (Op::Create(b.clone()), None, Some(&b), Outcome::Done),
            (Op::Create(b.clone()), Some(&a), Some(&a), refused(Refusal::Exists)),
            (Op::Update(b.clone()), None, None, refused(Refusal::Absent)),
            (Op::Update(b.clone()), Some(&a), Some(&b), Outcome::Done),
            (Op::Delete, None, None, refused(Refusal::Absent)),
            (Op::Delete, Some(&a), None, Outcome::Done),
            (swap(&a), None, None, refused(Refusal::Absent)),
            (swap(&a), Some(&a), Some(&b), Outcome::Done),
            (swap(&b), Some(&a), Some(&a), refused(Refusal::Mismatch)),
            (Op::Increment(1), Some(&a), Some(&a), refused(Refusal::NotANumber)),
        ] {
            assert_eq!(op.apply(before), (after.cloned(), outcome), "{op:?} on {before:?}");
        }
    }

    #[test]
    fn increments_count_from_zero_and_refuse_to_overflow() {
        assert_eq!(Op::Increment(-2).apply(None), (Some(value("-2")), Outcome::Number(-2)));
        let most = Value::from(i64::MAX);
        let refused = Outcome::Refused(Refusal::Overflow);
        assert_eq!(Op::Increment(1).apply(Some(&most)), (Some(most.clone()), refused));
    }

    #[test]
    fn numbers_are_read_as_redis_reads_them() {
        for (text, number) in [("0", Some(0)), ("-7", Some(-7)), ("42", Some(42))] {
            assert_eq!(value(text).as_number(), number);
        }
        for text in ["", " 1", "1 ", "+1", "01", "-0", "1.0", "9223372036854775808"] {
            assert_eq!(value(text).as_number(), None, "{text:?}");
        }
    }

    #[test]
    fn limits_are_inclusive() {
        let key = Key::from(vec![b'k'; MAX_KEY_BYTES]);
        assert_eq!(Op::Put(Value::from(vec![0; MAX_VALUE_BYTES])).check(&key), Ok(()));
        let too_large = Err(Refusal::TooLarge);
        assert_eq!(Op::Put(Value::from(vec![0; MAX_VALUE_BYTES + 1])).check(&key), too_large);
        assert_eq!(Op::Get.check(&Key::from(vec![b'k'; MAX_KEY_BYTES + 1])), too_large);
    }
}
