//! The bytes of a datagram.
//!
//! Every datagram begins with a header; all integers are little endian.
//!
//! | bytes | meaning |
//! |---|---|
//! | 4 | `CHRG` |
//! | 1 | version of this layout, now 1 |
//! | 1 | kind: 1 messages, 2 fragment, 3 acknowledgement, 4 greeting |
//! | 4 | CRC-32 of all other bytes |
//! | 8 | cluster |
//!
//! *Messages*: any number of records, one after the other, to the end of the datagram: source and
//! destination (variable integers of 7 bits a byte, least significant first), length (2 bytes), and
//! that many bytes of [`codec`](crate::codec).
//!
//! *Fragment*: a part of one message that is too large for a datagram, after these fields:
//!
//! | bytes | meaning |
//! |---|---|
//! | 8, 8 | source and destination of the message |
//! | 8 | nonce: drawn at each start of the sender |
//! | 8 | number of the message among those of that start |
//! | 4 | length of the whole message |
//! | 4 | CRC-32 of the whole message |
//! | 2 | length of every fragment but the last |
//! | 4 | place of this fragment, from 0 |
//!
//! *Acknowledgement*: source and destination (of the acknowledgement, so the other way round),
//! nonce, number, 8 bytes each; 4 bytes: all fragments below this place have arrived; then a
//! bitmap, lowest bit first, of those from that place on.
//!
//! *Greeting*: what the sender's node says of itself, up to the end of the datagram; whatever
//! cluster the header names.
//!
//! The checksum finds damage. It proves nothing about the sender of the bytes: this is a protocol
//! for a network in which strangers cannot forge source addresses.

use stateright::actor::Id;

pub(super) const HEADER: usize = 18;
/// What a fragment needs besides its part of the message.
pub(super) const FRAGMENT_HEADER: usize = HEADER + 46;
/// The largest payload of a UDP datagram over IPv4.
pub(super) const LARGEST_DATAGRAM: usize = 65_507;
/// No fragment but a last one is smaller, so that a message does not come in a million pieces.
pub(super) const SMALLEST_FRAGMENT: u16 = 128;
/// How many bytes of bitmap an acknowledgement has at most.
pub(super) const BITMAP: usize = 128;

const MAGIC: [u8; 4] = *b"CHRG";
const VERSION: u8 = 1;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Messages = 1,
    Fragment = 2,
    Acknowledgement = 3,
    Greeting = 4,
}

/// Why bytes are not taken for a datagram of this cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// When they are not of this protocol.
    Foreign,
    /// When their layout is of another version.
    OtherVersion,
    /// When they are meant for another cluster.
    OtherCluster,
    /// When they break the layout or their checksum.
    Damaged,
}

/// Begins a datagram in an empty buffer.
pub(super) fn begin(datagram: &mut Vec<u8>, kind: Kind, cluster: u64) {
    debug_assert!(datagram.is_empty());
    datagram.extend_from_slice(&MAGIC);
    datagram.extend_from_slice(&[VERSION, kind as u8, 0, 0, 0, 0]);
    datagram.extend_from_slice(&cluster.to_le_bytes());
}

/// Puts the checksum into a datagram that is complete.
pub(super) fn seal(datagram: &mut [u8]) {
    let checksum = checksum_of(datagram);
    datagram[6..10].copy_from_slice(&checksum.to_le_bytes());
}

/// Checks the header, and gives the kind and what follows.
pub(super) fn open(datagram: &[u8], cluster: u64) -> Result<(Kind, &[u8]), Refusal> {
    let (header, body) = datagram.split_at_checked(HEADER).ok_or(Refusal::Foreign)?;
    if header[..4] != MAGIC {
        return Err(Refusal::Foreign);
    }
    if header[4] != VERSION {
        return Err(Refusal::OtherVersion);
    }
    let mut fields = Fields(&header[6..]);
    let (checksum, theirs) = (fields.u32()?, fields.u64()?);
    if checksum != checksum_of(datagram) {
        return Err(Refusal::Damaged);
    }
    if theirs != cluster && header[5] != Kind::Greeting as u8 {
        return Err(Refusal::OtherCluster);
    }
    let kind = match header[5] {
        1 => Kind::Messages,
        2 => Kind::Fragment,
        3 => Kind::Acknowledgement,
        4 => Kind::Greeting,
        _ => return Err(Refusal::Damaged),
    };
    Ok((kind, body))
}

fn checksum_of(datagram: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&datagram[..6]);
    hasher.update(&datagram[10..]);
    hasher.finalize()
}

/// Begins a record; its message follows, then [`end_record`] with what this returned.
pub(super) fn begin_record(datagram: &mut Vec<u8>, src: Id, dst: Id) -> usize {
    variable(datagram, src);
    variable(datagram, dst);
    datagram.extend_from_slice(&[0, 0]);
    datagram.len()
}

/// Writes the length of a record's message, which must be below 64 KiB.
pub(super) fn end_record(datagram: &mut [u8], message: usize) {
    let length = (datagram.len() - message) as u16;
    datagram[message - 2..message].copy_from_slice(&length.to_le_bytes());
}

/// One message among those of a datagram.
pub(super) struct Record<'a> {
    pub src: Id,
    pub dst: Id,
    pub message: &'a [u8],
}

/// The next of a datagram's records, and the rest.
pub(super) fn record(bytes: &[u8]) -> Result<(Record<'_>, &[u8]), Refusal> {
    let mut fields = Fields(bytes);
    let (src, dst, length) = (fields.variable()?, fields.variable()?, fields.u16()?);
    let message = fields.take(usize::from(length))?;
    Ok((Record { src, dst, message }, fields.0))
}

/// The fields of a fragment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fragment {
    pub src: Id,
    pub dst: Id,
    pub nonce: u64,
    pub number: u64,
    pub total: u32,
    pub checksum: u32,
    pub size: u16,
    pub place: u32,
}

impl Fragment {
    /// How many fragments the message has.
    pub fn count(&self) -> u32 {
        self.total.div_ceil(u32::from(self.size))
    }

    pub fn write(&self, datagram: &mut Vec<u8>) {
        for word in [id(self.src), id(self.dst), self.nonce, self.number] {
            datagram.extend_from_slice(&word.to_le_bytes());
        }
        datagram.extend_from_slice(&self.total.to_le_bytes());
        datagram.extend_from_slice(&self.checksum.to_le_bytes());
        datagram.extend_from_slice(&self.size.to_le_bytes());
        datagram.extend_from_slice(&self.place.to_le_bytes());
    }

    /// Reads a fragment. What it returns is consistent: a sensible size, a place inside the
    /// message, and exactly the bytes that belong there.
    pub fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Refusal> {
        let mut fields = Fields(bytes);
        let fragment = Self {
            src: fields.id()?,
            dst: fields.id()?,
            nonce: fields.u64()?,
            number: fields.u64()?,
            total: fields.u32()?,
            checksum: fields.u32()?,
            size: fields.u16()?,
            place: fields.u32()?,
        };
        if fragment.size < SMALLEST_FRAGMENT || fragment.place >= fragment.count() {
            return Err(Refusal::Damaged);
        }
        // No overflow: the place is below the count, so this is below the total.
        let offset = fragment.place * u32::from(fragment.size);
        let expected = (fragment.total - offset).min(u32::from(fragment.size));
        if fields.0.len() != expected as usize {
            return Err(Refusal::Damaged);
        }
        Ok((fragment, fields.0))
    }
}

/// The fields of an acknowledgement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Acknowledgement<'a> {
    pub src: Id,
    pub dst: Id,
    pub nonce: u64,
    pub number: u64,
    /// All fragments below have arrived.
    pub below: u32,
    pub bitmap: &'a [u8],
}

impl<'a> Acknowledgement<'a> {
    pub fn write(&self, datagram: &mut Vec<u8>) {
        for word in [id(self.src), id(self.dst), self.nonce, self.number] {
            datagram.extend_from_slice(&word.to_le_bytes());
        }
        datagram.extend_from_slice(&self.below.to_le_bytes());
        datagram.extend_from_slice(self.bitmap);
    }

    pub fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut fields = Fields(bytes);
        let acknowledgement = Self {
            src: fields.id()?,
            dst: fields.id()?,
            nonce: fields.u64()?,
            number: fields.u64()?,
            below: fields.u32()?,
            bitmap: fields.0,
        };
        if acknowledgement.bitmap.len() > BITMAP {
            return Err(Refusal::Damaged);
        }
        Ok(acknowledgement)
    }

    /// Whether it says that the fragment at this place has arrived.
    pub fn covers(&self, place: u32) -> bool {
        match place.checked_sub(self.below) {
            None => true,
            Some(bit) => {
                (self.bitmap.get(bit as usize / 8)).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
            }
        }
    }
}

fn id(id: Id) -> u64 {
    usize::from(id) as u64
}

fn variable(datagram: &mut Vec<u8>, number: Id) {
    let mut rest = id(number);
    while rest >= 0x80 {
        datagram.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    datagram.push(rest as u8);
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Refusal::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Refusal::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, Refusal> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Refusal> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Refusal> {
        self.array().map(u64::from_le_bytes)
    }

    fn id(&mut self) -> Result<Id, Refusal> {
        let number = usize::try_from(self.u64()?).map_err(|_| Refusal::Damaged)?;
        Ok(Id::from(number))
    }

    fn variable(&mut self) -> Result<Id, Refusal> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let number = usize::try_from(number).map_err(|_| Refusal::Damaged)?;
                return Ok(Id::from(number));
            }
        }
        Err(Refusal::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let mut datagram = Vec::new();
        begin(&mut datagram, Kind::Messages, 9);
        let ids = [0, 1, 127, 128, 300, usize::MAX].map(Id::from);
        for (n, src) in ids.into_iter().enumerate() {
            let message = begin_record(&mut datagram, src, ids[5 - n]);
            datagram.extend(std::iter::repeat_n(n as u8, n));
            end_record(&mut datagram, message);
        }
        seal(&mut datagram);
        let (kind, mut rest) = open(&datagram, 9).unwrap();
        assert_eq!(kind, Kind::Messages);
        for (n, src) in ids.into_iter().enumerate() {
            let (record, more) = record(rest).unwrap();
            assert_eq!((record.src, record.dst), (src, ids[5 - n]));
            assert_eq!(record.message, vec![n as u8; n]);
            rest = more;
        }
        assert!(rest.is_empty());
        assert_eq!(open(&datagram, 8), Err(Refusal::OtherCluster));
    }

    #[test]
    fn a_greeting_is_read_whatever_cluster_it_names() {
        let mut datagram = Vec::new();
        begin(&mut datagram, Kind::Greeting, 9);
        datagram.extend_from_slice(b"hello");
        seal(&mut datagram);
        assert_eq!(datagram[..6], *b"CHRG\x01\x04");
        for cluster in [9, 8] {
            assert_eq!(open(&datagram, cluster), Ok((Kind::Greeting, &b"hello"[..])));
        }
        datagram[4] = 2;
        assert_eq!(open(&datagram, 9), Err(Refusal::OtherVersion));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut datagram = Vec::new();
        begin(&mut datagram, Kind::Messages, 9);
        datagram.extend_from_slice(b"whatever");
        seal(&mut datagram);
        assert!(open(&datagram, 9).is_ok());
        for bit in 0..datagram.len() * 8 {
            datagram[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&datagram, 9).is_err(), "bit {bit}");
            datagram[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_fragment_holds_exactly_what_belongs_there() {
        let fragment = Fragment {
            src: Id::from(1),
            dst: Id::from(2),
            nonce: 3,
            number: 4,
            total: 1000,
            checksum: 5,
            size: 300,
            place: 3,
        };
        let mut bytes = Vec::new();
        fragment.write(&mut bytes);
        bytes.extend_from_slice(&[7; 100]);
        assert_eq!(Fragment::read(&bytes), Ok((fragment, &[7; 100][..])));
        bytes.push(7);
        assert_eq!(Fragment::read(&bytes), Err(Refusal::Damaged));
        for wrong in [
            Fragment { place: 4, ..fragment },
            Fragment { place: u32::MAX, ..fragment },
            Fragment { size: 0, ..fragment },
            Fragment { size: 1, ..fragment },
            Fragment { total: 0, ..fragment },
            Fragment { total: u32::MAX, ..fragment },
        ] {
            bytes.clear();
            wrong.write(&mut bytes);
            bytes.extend_from_slice(&[7; 100]);
            assert_eq!(Fragment::read(&bytes), Err(Refusal::Damaged), "{wrong:?}");
        }
    }
}
