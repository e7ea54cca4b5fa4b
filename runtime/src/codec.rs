//! How a value becomes bytes: the only module that knows bincode.
//!
//! Messages, saves and traces all pass through [`encode`] and [`decode`]. The format is that of
//! bincode 2 with its standard configuration, and it is written down here so that it can outlive
//! that crate:
//!
//! - Integers of more than one byte are *variable*: a value up to 250 is that one byte; otherwise a
//!   byte 251, 252, 253 or 254 is followed by the value in 2, 4, 8 or 16 bytes, little endian.
//!   Signed ones are zigzagged first (0, -1, 1, -2 become 0, 1, 2, 3). `u8` and `i8` are one plain
//!   byte, `bool` is 0 or 1, floats are their IEEE bytes, little endian, a `char` is its UTF-8
//!   bytes.
//! - A struct or tuple is its fields in order. An enum is its variant's place, as a variable `u32`,
//!   then the fields. `Option` is 0, or 1 and the value. `()` is nothing.
//! - A sequence, map, string or byte string is its length, as a variable `u64`, then its elements.
//!
//! No names and no types are in there: both sides have the same program, and a changed type is a
//! changed protocol.
//!
//! # Bytes from strangers
//!
//! [`decode`] may be given anything. It never panics, whatever lengths those bytes announce: a
//! string must be there before it is copied, a sequence or map cannot have more elements than there
//! are bytes, and values do not nest deeper than [`MAX_DEPTH`]. Bytes left over are an error.
//!
//! A list of nothing takes one byte here and 24 or more in memory, so bytes say little of what a
//! value takes. Each value is therefore *weighed* while it is decoded, before its parts are
//! allocated, and refused beyond [`MAX_WEIGHT`] (a message beyond [`MAX_MESSAGE_WEIGHT`]). The
//! weight counts an element of a list or map twice, as those grow by doubling; bytes and text as
//! long as they are; and each struct and enum, as if it lay in a box. [`decode_message`] returns
//! it, and the queues of messages are bounded by it.
//!
//! (bincode itself allocates a string by its announced length, and a wrapper around its serde
//! decoder prevents that.)

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use bincode::config::{self, Configuration};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use thiserror::Error;

/// No encoded value is longer than this.
pub const MAX_BYTES: usize = 16 << 20;

/// How deep structs, enums, options, sequences and maps may sit inside each other when they are
/// decoded.
pub const MAX_DEPTH: u8 = 128;

/// What a value from a file may weigh when it is decoded.
pub const MAX_WEIGHT: usize = 1 << 30;

/// What a message may weigh when it is decoded. The crate that defines messages has to hold the
/// largest honest ones below half of this.
pub const MAX_MESSAGE_WEIGHT: usize = 64 << 20;

/// What an allocation takes beside its content: its header, its rounding, and counters of
/// references.
const ALLOCATION: usize = 32;
/// How many elements a list and a map have room for as soon as they have one.
const LEAST_LIST: usize = 4;
const LEAST_MAP: usize = 12;

/// Why a value could not be encoded or decoded.
#[derive(Debug, Error)]
pub enum CodecError {
    /// When the bytes of a value, written or read, exceed [`MAX_BYTES`].
    #[error("a value takes {length} bytes or more, the limit is {MAX_BYTES}")]
    TooLong {
        /// How many there are, or were when the encoder stopped.
        length: usize,
    },

    /// When a type refuses to be serialized.
    #[error("a value cannot be encoded: {0}")]
    Encode(String),

    /// When bytes are not those of a value of this type.
    #[error("bytes are not a value of the expected type: {0}")]
    Decode(String),

    /// When a value ends before its bytes do.
    #[error("{0} bytes are left over after the value")]
    LeftOver(usize),
}

/// The bytes of `value`.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes)?;
    Ok(bytes)
}

/// Appends the bytes of `value` to `bytes`. After an error `bytes` is as it was before.
pub fn encode_into<T: Serialize + ?Sized>(
    value: &T,
    bytes: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let start = bytes.len();
    let mut appender = Appender { bytes, start, refused: None };
    let result = bincode::serde::encode_into_writer(value, &mut appender, CONFIG);
    let refused = appender.refused;
    result.map_err(|e| {
        bytes.truncate(start);
        match refused {
            Some(length) => CodecError::TooLong { length },
            None => CodecError::Encode(e.to_string()),
        }
    })
}

/// The value that all of `bytes` stand for.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode_within(bytes, MAX_WEIGHT).map(|(value, _)| value)
}

/// The message that all of `bytes` stand for, and what it weighs: at least as many bytes as it
/// takes in memory.
pub fn decode_message<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    decode_within(bytes, MAX_MESSAGE_WEIGHT)
}

fn decode_within<T: DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<(T, usize), CodecError> {
    if bytes.len() > MAX_BYTES {
        return Err(CodecError::TooLong { length: bytes.len() });
    }
    let Some(room) = limit.checked_sub(size_of::<T>()) else {
        return Err(CodecError::Decode("it would take too much memory".to_string()));
    };
    let left = Cell::new(room);
    let bound = Bound { elements: bytes.len(), depth: MAX_DEPTH, left: &left };
    let seed = Bounded { inner: PhantomData::<T>, bound };
    match bincode::serde::seed_decode_from_slice(seed, bytes, CONFIG) {
        Ok((value, read)) if read == bytes.len() => Ok((value, limit - left.get())),
        Ok((_, read)) => Err(CodecError::LeftOver(bytes.len() - read)),
        Err(e) => Err(CodecError::Decode(e.to_string())),
    }
}

const CONFIG: Configuration = config::standard();

/// Writes at the end of a vector, up to the limit.
struct Appender<'a> {
    bytes: &'a mut Vec<u8>,
    start: usize,
    refused: Option<usize>,
}

impl Writer for Appender<'_> {
    #[inline]
    fn write(&mut self, more: &[u8]) -> Result<(), EncodeError> {
        let length = self.bytes.len() - self.start + more.len();
        if length > MAX_BYTES {
            self.refused = Some(length);
            return Err(EncodeError::UnexpectedEnd);
        }
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

/// What is left of the limits at one place inside a value.
#[derive(Clone, Copy)]
struct Bound<'b> {
    elements: usize,
    depth: u8,
    /// What the whole value may still weigh.
    left: &'b Cell<usize>,
}

impl<'b> Bound<'b> {
    #[inline]
    fn around<T>(self, inner: T) -> Bounded<'b, T> {
        Bounded { inner, bound: self }
    }

    #[inline]
    fn deeper<T, E: de::Error>(self, inner: T) -> Result<Bounded<'b, T>, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Bounded { inner, bound: Bound { depth, ..self } }),
            None => Err(E::custom("it nests too deep")),
        }
    }

    #[inline]
    fn admit<E: de::Error>(self, announced: Option<usize>) -> Result<(), E> {
        match announced {
            Some(length) if length > self.elements => Err(E::custom(format_args!(
                "it announces {length} elements, in {} bytes",
                self.elements
            ))),
            _ => Ok(()),
        }
    }

    /// Takes what is about to be allocated from what is left.
    #[inline]
    fn charge<E: de::Error>(self, weight: usize) -> Result<(), E> {
        match self.left.get().checked_sub(weight) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(E::custom("it would take too much memory")),
        }
    }
}

/// A part of serde's machinery (deserializer, visitor, seed, access), with the limits that hold
/// inside it.
struct Bounded<'b, T> {
    inner: T,
    bound: Bound<'b>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(self.bound.around(deserializer))
    }
}

macro_rules! pass_on {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    pass_on! {
        deserialize_any deserialize_bool
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_unit
        deserialize_identifier deserialize_ignored_any
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_str(Copied(self.bound.around(visitor)))
    }

    /// As a borrowed one: that checks that the bytes are there.
    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_bytes(Copied(self.bound.around(visitor)))
    }

    /// As a borrowed one: that checks that the bytes are there.
    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.bound.deeper(visitor)?;
        self.inner.deserialize_option(visitor)
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.bound.deeper(visitor)?;
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = Counted(self.bound.deeper(visitor)?);
        self.inner.deserialize_seq(visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.bound.deeper(visitor)?;
        self.inner.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.bound.deeper(visitor)?;
        self.inner.deserialize_tuple_struct(name, length, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = Counted(self.bound.deeper(visitor)?);
        self.inner.deserialize_map(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        // It may lie in an allocation of its own.
        self.bound.charge(size_of::<V::Value>())?;
        let visitor = self.bound.deeper(visitor)?;
        self.inner.deserialize_struct(name, fields, visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        // It may lie in an allocation of its own.
        self.bound.charge(size_of::<V::Value>())?;
        let visitor = self.bound.deeper(visitor)?;
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The visitor of something whose length the bytes announce.
struct Counted<'b, V>(Bounded<'b, V>);

impl<'de, V: Visitor<'de>> Visitor<'de> for Counted<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.bound.admit(access.size_hint())?;
        let bound = self.0.bound;
        bound.charge(if access.size_hint() == Some(0) { 0 } else { ALLOCATION })?;
        self.0.visit_seq(Elements::of(access, bound, LEAST_LIST))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.bound.admit(access.size_hint())?;
        let bound = self.0.bound;
        bound.charge(if access.size_hint() == Some(0) { 0 } else { ALLOCATION })?;
        self.0.visit_map(Elements::of(access, bound, LEAST_MAP))
    }
}

/// The elements of something whose length the bytes announce, weighed.
struct Elements<'b, A> {
    inner: A,
    bound: Bound<'b>,
    /// How many elements the allocation for the next one has room for.
    room: usize,
}

impl<'b, A> Elements<'b, A> {
    /// `first` is how many elements the smallest allocation has room for.
    fn of(inner: A, bound: Bound<'b>, first: usize) -> Self {
        Elements { inner, bound, room: first }
    }

    /// Charges for an element, or a part of it. After the first, room grows by doubling.
    #[inline]
    fn charge<T, E: de::Error>(&self, left: Option<usize>) -> Result<(), E> {
        match left {
            Some(0) => Ok(()),
            _ => self.bound.charge(self.room * size_of::<T>().max(1)),
        }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.charge::<S::Value, _>(self.size_hint())?;
        self.room = 2;
        self.inner.next_element_seed(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.charge::<S::Value, _>(self.size_hint())?;
        self.inner.next_key_seed(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.charge::<S::Value, _>(None)?;
        self.room = 2;
        self.inner.next_value_seed(seed)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// The visitor of a string or byte string, of which it makes a copy.
struct Copied<'b, V>(Bounded<'b, V>);

impl<'de, V: Visitor<'de>> Visitor<'de> for Copied<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.inner.expecting(f)
    }

    #[inline]
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        self.0.bound.charge(ALLOCATION + text.len())?;
        self.0.inner.visit_borrowed_str(text)
    }

    #[inline]
    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<V::Value, E> {
        self.0.bound.charge(ALLOCATION + bytes.len())?;
        self.0.inner.visit_borrowed_bytes(bytes)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Bounded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    #[inline]
    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(self.bound.around(deserializer))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(self.bound.around(deserializer))
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(self.bound.around(access))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(self.bound.around(access))
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(self.bound.around(access))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(self.bound.around(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(self.bound.around(seed))
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(self.bound.around(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 'b, A: EnumAccess<'de>> EnumAccess<'de> for Bounded<'b, A> {
    type Error = A::Error;
    type Variant = Bounded<'b, A::Variant>;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        // The seed of a variant reads its place, in which nothing can nest.
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, self.bound.around(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Bounded<'_, A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(self.bound.around(seed))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(length, self.bound.around(visitor))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, self.bound.around(visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Sample {
        Nothing,
        One(Box<Sample>),
        Pair(i64, Option<String>),
        All {
            text: String,
            bytes: Vec<u8>,
            map: BTreeMap<u32, (bool, char)>,
            time: Duration,
            float: f64,
            wide: u128,
            list: Vec<Sample>,
            array: [u16; 3],
        },
    }

    fn sample() -> Sample {
        Sample::All {
            text: "head, middle, tail".into(),
            bytes: vec![0, 250, 251, 255],
            map: BTreeMap::from([(1, (true, 'a')), (70_000, (false, 'ä'))]),
            time: Duration::from_millis(1500),
            float: -0.5,
            wide: u128::MAX,
            list: vec![
                Sample::Nothing,
                Sample::One(Box::new(Sample::Pair(-3, Some("x".into())))),
                Sample::Pair(i64::MIN, None),
            ],
            array: [1, 300, 65535],
        }
    }

    #[test]
    fn values_come_back() {
        let bytes = encode(&sample()).unwrap();
        assert_eq!(decode::<Sample>(&bytes).unwrap(), sample());
        // The wrapper reads what bincode reads.
        let (plain, read) = bincode::serde::decode_from_slice::<Sample, _>(&bytes, CONFIG).unwrap();
        assert_eq!((plain, read), (sample(), bytes.len()));
    }

    #[test]
    fn the_documented_bytes() {
        let bytes = encode(&(250u64, 251u64, -2i32, 7u8, true, Some('a'), "ab", vec![300u32]));
        #[rustfmt::skip]
        assert_eq!(
            bytes.unwrap(),
            [250, 251, 251, 0, 3, 7, 1, 1, 97, 2, 97, 98, 1, 251, 44, 1]
        );
        assert_eq!(encode(&Sample::Nothing).unwrap(), [0]);
        assert_eq!(encode(&(1u64 << 40)).unwrap(), [253, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let mut bytes = encode(&sample()).unwrap();
        bytes.push(0);
        assert!(matches!(decode::<Sample>(&bytes), Err(CodecError::LeftOver(1))));
    }

    #[test]
    fn a_value_beyond_the_limit_is_refused_and_leaves_no_trace() {
        let mut bytes = vec![1, 2, 3];
        let huge = "x".repeat(MAX_BYTES);
        assert!(matches!(encode_into(&huge, &mut bytes), Err(CodecError::TooLong { .. })));
        assert_eq!(bytes, [1, 2, 3]);
    }

    #[test]
    fn announced_lengths_are_not_believed() {
        for length in [17u64, 1 << 20, 1 << 40, u64::MAX] {
            let bytes = encode(&length).unwrap();
            assert!(decode::<String>(&bytes).is_err());
            assert!(decode::<Vec<u8>>(&bytes).is_err());
            assert!(decode::<Vec<()>>(&bytes).is_err());
            assert!(decode::<Vec<Sample>>(&bytes).is_err());
            assert!(decode::<BTreeMap<u8, u8>>(&bytes).is_err());
        }
        assert_eq!(decode::<Vec<u8>>(&[2, 5, 6]).unwrap(), [5, 6]);
    }

    #[test]
    fn nesting_is_bounded() {
        let mut bytes = vec![1; 100_000];
        bytes.push(0);
        assert!(matches!(decode::<Sample>(&bytes), Err(CodecError::Decode(_))));
        let shallow = [1, 1, 1, 0];
        assert!(decode::<Sample>(&shallow).is_ok());
    }

    /// Messages of 8 MB that would take hundreds when decoded.
    #[test]
    fn what_weighs_too_much_is_refused() {
        let many = |element: &[u8]| {
            let elements = (8 << 20) / element.len();
            let mut bytes = encode(&(elements as u64)).unwrap();
            bytes.extend(element.repeat(elements));
            bytes
        };
        let too_heavy = |result: Option<CodecError>| {
            let said = result.expect("it is refused").to_string();
            assert!(said.contains("too much memory"), "{said}");
        };
        too_heavy(decode_message::<Vec<Vec<u8>>>(&many(&[0])).err());
        too_heavy(decode_message::<Vec<Vec<Vec<u64>>>>(&many(&[0])).err());
        too_heavy(decode_message::<Vec<String>>(&many(&[0])).err());
        too_heavy(decode_message::<Vec<Option<[u64; 4]>>>(&many(&[0])).err());
        too_heavy(decode_message::<Vec<Sample>>(&many(&[0])).err());
        too_heavy(decode_message::<Vec<Sample>>(&many(&[1, 0])).err());
        too_heavy(decode_message::<BTreeMap<u8, Vec<u8>>>(&many(&[7, 0])).err());
        too_heavy(decode_message::<(Vec<()>, Vec<Vec<()>>)>(&[&[0], &*many(&[0])].concat()).err());
        // What is only long is not heavy.
        let long = "x".repeat(8 << 20);
        let (text, weight) = decode_message::<String>(&encode(&long).unwrap()).unwrap();
        assert!(text == long && (8 << 20..9 << 20).contains(&weight), "{weight}");
    }

    #[test]
    fn a_weight_is_no_less_than_what_a_value_takes() {
        let lists = vec![vec![1_u64; 3]; 1000];
        let (_, weight) = decode_message::<Vec<Vec<u64>>>(&encode(&lists).unwrap()).unwrap();
        assert!(weight >= 1000 * (24 + 3 * 8 + 16), "{weight}");
        let boxes = vec![Sample::One(Box::new(Sample::Nothing)); 1000];
        let (_, weight) = decode_message::<Vec<Sample>>(&encode(&boxes).unwrap()).unwrap();
        assert!(weight >= 1000 * 2 * size_of::<Sample>(), "{weight}");
        let text = vec!["eight by".to_string(); 1000];
        let (_, weight) = decode_message::<Vec<String>>(&encode(&text).unwrap()).unwrap();
        assert!((40_000..100_000).contains(&weight), "{weight}");
    }

    #[test]
    fn random_and_mutated_bytes_never_panic() {
        let good = encode(&sample()).unwrap();
        let mut rng = fastrand::Rng::with_seed(1);
        let mut accepted = 0;
        for round in 0..200_000 {
            let mut bytes = if round % 2 == 0 {
                good.clone()
            } else {
                (0..rng.usize(..80)).map(|_| rng.u8(..)).collect()
            };
            for _ in 0..rng.usize(..4) {
                if bytes.is_empty() {
                    break;
                }
                let at = rng.usize(..bytes.len());
                match rng.u8(..4) {
                    0 => bytes[at] = rng.u8(..),
                    1 => bytes[at] = rng.u8(250..),
                    2 => bytes.truncate(at),
                    _ => bytes.insert(at, rng.u8(..)),
                }
            }
            if let Ok(value) = decode::<Sample>(&bytes) {
                accepted += 1;
                // Whatever is accepted is a value like any other.
                encode(&value).unwrap();
            }
            let _ = decode::<Vec<(String, Option<u64>)>>(&bytes);
        }
        assert!(accepted > 1000);
    }
}
