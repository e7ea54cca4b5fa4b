//! The records of a trace as they stand in its file: each with its length and its checksum.

use crate::codec;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, Read};

/// The longest record; a message is at most half as long.
const LONGEST_RECORD: usize = 16 << 20;

/// The whole records of a file.
pub(super) struct Frames {
    reader: BufReader<File>,
    pub(super) length: u64,
    /// How many bytes the whole records take so far.
    pub(super) whole: u64,
    /// Whether what follows them has the length that it announces, and yet is no record.
    damaged: bool,
}

/// What stands behind the last whole record of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    /// Nothing.
    Nothing,
    /// The beginning of a record, as a killed process leaves it.
    TornEnd,
    /// Something else.
    Damage,
}

impl Frames {
    pub(super) fn of(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let reader = BufReader::with_capacity(1 << 20, file);
        Ok(Frames { reader, length, whole: 0, damaged: false })
    }

    /// What stands behind the whole records, once [`next`](Self::next) has given them all.
    pub(super) fn rest(&self) -> Rest {
        match (self.whole == self.length, self.damaged) {
            (true, _) => Rest::Nothing,
            (false, false) => Rest::TornEnd,
            (false, true) => Rest::Damage,
        }
    }

    /// The next record's bytes; `None` at the end, or where a record is torn.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut head = [0; 8];
        if !fill(&mut self.reader, &mut head)? {
            return Ok(None);
        }
        let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > LONGEST_RECORD {
            self.damaged = true;
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        if !fill(&mut self.reader, &mut bytes)? {
            return Ok(None);
        }
        if crc32fast::hash(&bytes) != u32::from_le_bytes([c0, c1, c2, c3]) {
            self.damaged = true;
            return Ok(None);
        }
        self.whole += 8 + length as u64;
        Ok(Some(bytes))
    }
}

/// Whether there were enough bytes left.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Appends a record.
pub(super) fn write(bytes: &mut Vec<u8>, record: &impl Serialize) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 8]);
    if let Err(error) = codec::encode_into(record, bytes) {
        // Only a record beyond the codec's limit; the replay will miss the step and say so.
        tracing::error!(%error, "a step was too large for the trace");
        bytes.truncate(start);
        return;
    }
    let length = (bytes.len() - start - 8) as u32; // bounded by the codec's limit
    let crc = crc32fast::hash(&bytes[start + 8..]);
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    bytes[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}
