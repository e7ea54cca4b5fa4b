//! What a commit writes of itself, so that the next start can tell whether the file is what the
//! commit left.
//!
//! - A [`Record`] inside the commit, beside the rows: the commit's number, the length of the map,
//!   and the [`Sum`] of all rows. It is in the same transaction, and on a page that the transaction
//!   writes in any case.
//! - A file beside the store, [`Newest`]: the number of the newest commit.
//!
//! # The file, and what it catches
//!
//! The record says whether a commit is whole. It cannot say that there was a later one, of which
//! nothing is left in the file: a disk that has lost the last write of all, or `data.mdb` from an
//! older copy. So each commit writes its number to the file `newest`, **after** it is durable, and
//! **without a sync**. Hence the file never claims what is not durable.
//!
//! The file is synced as soon as there has been no commit for half a second, also after a start.
//! When it claims a later commit than `data.mdb` holds, the store is refused. After a process was
//! killed that covers every commit. After a power cut it covers those up to the last sync of the
//! file, and those that the system wrote by itself: of the last commits before a cut under load,
//! the loss of the newest meta page's *write* is not noticed. Damage to that page is, as its fields
//! are checked one by one. A sync with each commit would close that gap and cost each commit a
//! second sync.
//!
//! A store without this file is opened, and gets one.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::identity::Identity;
use crate::disk::DiskError;

/// The name of the file.
const NEWEST: &str = "newest";
/// Where it is made.
const UNFINISHED: &str = "newest.tmp";
/// Its first bytes; then the identity (16), the number (8) and a checksum (4).
const MAGIC: &[u8; 8] = b"CHRNEWST";
const LENGTH: usize = 36;

/// How many rows there are, and a digest of all of them in which their order makes no difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub rows: u64,
    /// The sum of the rows' [`weight`]s, modulo 2^128.
    pub digest: u128,
}

impl Sum {
    /// Adds a row in its place in the file, which ends in its seal. `false` if it is too short for
    /// one.
    pub fn add_value(&mut self, key: &[u8], value: &[u8]) -> bool {
        let Some((row, seal)) = value.split_last_chunk() else { return false };
        self.add(key, row.len(), u32::from_le_bytes(*seal));
        true
    }

    /// Adds a row of this length with this seal.
    pub fn add(&mut self, key: &[u8], length: usize, seal: u32) {
        self.rows = self.rows.wrapping_add(1);
        self.digest = self.digest.wrapping_add(weight(key, length, seal));
    }

    /// Takes away a row in its place in the file.
    pub fn remove_value(&mut self, key: &[u8], value: &[u8]) {
        // Without a seal it has not been counted, which the next start will find.
        if let Some((row, seal)) = value.split_last_chunk() {
            let seal = u32::from_le_bytes(*seal);
            self.rows = self.rows.wrapping_sub(1);
            self.digest = self.digest.wrapping_sub(weight(key, row.len(), seal));
        }
    }
}

/// A hash of a row's key, its length and its seal, which is a checksum of key and row.
fn weight(key: &[u8], length: usize, seal: u32) -> u128 {
    const ROOM: usize = super::LONGEST_KEY + 12;
    let mut bytes = [0; ROOM];
    let (tail, room) = bytes.split_at_mut(12);
    tail[..8].copy_from_slice(&(length as u64).to_le_bytes());
    tail[8..].copy_from_slice(&seal.to_le_bytes());
    // No key is longer.
    let key_length = key.len().min(room.len());
    room[..key_length].copy_from_slice(&key[..key_length]);
    xxh3_128(&bytes[..12 + key_length])
}

/// What a commit says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub commit: u64,
    pub map_size: u64,
    pub sum: Sum,
}

impl Record {
    /// Its bytes, in a store of this identity.
    pub fn to_bytes(self, identity: u128) -> Vec<u8> {
        let mut bytes = self.commit.to_le_bytes().to_vec();
        bytes.extend(self.map_size.to_le_bytes());
        bytes.extend(self.sum.rows.to_le_bytes());
        bytes.extend(self.sum.digest.to_le_bytes());
        bytes.extend(checksum(&bytes, identity).to_le_bytes());
        bytes
    }

    /// What these bytes say, if they are whole and of a store of this identity.
    pub fn read(bytes: &[u8], identity: u128) -> Option<Self> {
        let (bytes, found) = bytes.split_last_chunk()?;
        if bytes.len() != 40 || checksum(bytes, identity) != u32::from_le_bytes(*found) {
            return None;
        }
        let (commit, bytes) = bytes.split_first_chunk()?;
        let (map_size, bytes) = bytes.split_first_chunk()?;
        let (rows, bytes) = bytes.split_first_chunk()?;
        let (digest, _) = bytes.split_first_chunk()?;
        let sum = Sum { rows: u64::from_le_bytes(*rows), digest: u128::from_le_bytes(*digest) };
        Some(Record {
            commit: u64::from_le_bytes(*commit),
            map_size: u64::from_le_bytes(*map_size),
            sum,
        })
    }
}

fn checksum(bytes: &[u8], identity: u128) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&identity.to_le_bytes());
    crc.update(bytes);
    crc.finalize()
}

/// The file that says which commit is the newest.
pub(super) struct Newest {
    file: File,
    path: PathBuf,
    identity: Identity,
    /// Whether its number was written and not synced yet.
    is_ahead: bool,
    /// Whether a commit was noted since the last call of [`settle`](Self::settle).
    is_busy: bool,
    /// Whether it was said that it cannot be written.
    is_mute: bool,
}

impl Newest {
    /// Makes the file, or makes it anew: complete, synced, and then at its place.
    pub fn make(dir: &Path, identity: Identity, commit: u64) -> Result<Self, DiskError> {
        let (path, unfinished) = (dir.join(NEWEST), dir.join(UNFINISHED));
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&unfinished);
        let written = file.and_then(|file| {
            file.write_all_at(&content(identity, commit), 0)?;
            file.sync_all()?;
            Ok(file)
        });
        let file = written.map_err(|why| DiskError::io("write", &unfinished, why))?;
        fs::rename(&unfinished, &path)
            .and_then(|()| File::open(dir)?.sync_all())
            .map_err(|why| DiskError::io("move to its place", &unfinished, why))?;
        Ok(Newest { file, path, identity, is_ahead: false, is_busy: false, is_mute: false })
    }

    /// Compares the file of a store with the number of its newest commit, and makes it say that
    /// number.
    pub fn open(dir: &Path, identity: Identity, commit: u64) -> Result<Self, DiskError> {
        let path = dir.join(NEWEST);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                let file = path.display();
                tracing::info!(%file, "no file says which commit was the store's newest; it is made");
                return Newest::make(dir, identity, commit);
            }
            Err(why) => return Err(DiskError::io("read", &path, why)),
        };
        let (path_of, file) = (|| dir.to_path_buf(), path.display());
        let Some(said) = number(&bytes, identity) else {
            let what = format!(
                "{file} is not this store's, or is damaged. Where the store itself is the one to start with, \
                 remove that file first"
            );
            return Err(DiskError::Damaged { path: path_of(), what });
        };
        if said > commit {
            let what = format!(
                "its newest commit is {commit}, and {file} says that commit {said} was durable: commits are lost"
            );
            return Err(DiskError::Damaged { path: path_of(), what });
        }
        let opened = File::options().read(true).write(true).open(&path).and_then(|file| {
            file.write_all_at(&content(identity, commit), 0)?;
            Ok(file)
        });
        let file = opened.map_err(|why| DiskError::io("write", &path, why))?;
        Ok(Newest { file, path, identity, is_ahead: true, is_busy: false, is_mute: false })
    }

    /// Notes a commit, which is durable. Syncs nothing.
    pub fn note(&mut self, commit: u64) {
        (self.is_ahead, self.is_busy) = (true, true);
        let written = self.file.write_all_at(&content(self.identity, commit), 0);
        if let Err(why) = written
            && !self.is_mute
        {
            // An older number is no lie. The store itself is written to, and says so if that fails.
            tracing::warn!(path = %self.path.display(), "cannot note the newest commit: {why}");
            self.is_mute = true;
        }
    }

    /// Syncs the file if nothing was noted since the last call.
    pub fn settle(&mut self) {
        if !std::mem::take(&mut self.is_busy) && std::mem::take(&mut self.is_ahead) {
            // As above: what is on the disk is an older number.
            let _ = self.file.sync_data();
        }
    }
}

fn content(identity: Identity, commit: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(identity.0.to_le_bytes());
    bytes.extend(commit.to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The number in the file of a store of this identity, if it is whole.
fn number(bytes: &[u8], identity: Identity) -> Option<u64> {
    let commit = u64::from_le_bytes(*bytes.get(24..LENGTH)?.first_chunk()?);
    (bytes == content(identity, commit)).then_some(commit)
}
