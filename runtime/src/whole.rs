//! A disk for ordinary stateright actors: the whole storage in one small file.
//!
//! An actor written against plain stateright has a `Storage` that derives serde's traits.
//! [`WholeDisk`] writes all of it at each commit: into a temporary file beside the old one, synced,
//! then renamed over it, then the directory synced. At every moment the name leads to one complete
//! save, the old one or the new one. The cost is that of the whole value, so this is for storages
//! of kilobytes.
//!
//! # The file
//!
//! | bytes | meaning |
//! |---|---|
//! | 8 | `CHRWHOLE` |
//! | 4 | version of this layout, little endian, now 1 |
//! | 4 | CRC-32 of everything that follows, little endian |
//! | 8 | length of what follows, little endian |
//! | rest | `Option<Storage>` in the bytes of [`codec`]; `None` is what `init` wrote |

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, CodecError};
use crate::disk::{Disk, DiskError};

const MAGIC: &[u8; 8] = b"CHRWHOLE";
const VERSION: u32 = 1;
const HEADER: usize = 24;

/// Saves a serde value whole, in one file.
#[derive(Debug)]
pub struct WholeDisk<T> {
    path: PathBuf,
    buffer: Vec<u8>,
    value: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> WholeDisk<T> {
    /// Creates the store of an actor that has never run. Refuses when the file is there already.
    pub fn init(path: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let mut disk = Self::at(path.into());
        if fs::symlink_metadata(&disk.path).is_ok() {
            return Err(DiskError::Exists { path: disk.path });
        }
        disk.write(&None)?;
        Ok(disk)
    }

    /// Opens the store of an actor that was initialised before. Refuses when it is missing or
    /// damaged.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DiskError> {
        let disk = Self::at(path.into());
        disk.read()?;
        Ok(disk)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn at(path: PathBuf) -> Self {
        Self { path, buffer: Vec::new(), value: PhantomData }
    }

    fn read(&self) -> Result<Option<T>, DiskError> {
        let path = &self.path;
        let mut bytes = Vec::new();
        match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(DiskError::Missing { path: path.clone() });
            }
            Err(e) => return Err(DiskError::io("read", path, e)),
        }
        let damaged = |what: String| DiskError::Damaged { path: path.clone(), what };
        let Some((header, body)) = bytes.split_at_checked(HEADER) else {
            return Err(damaged(format!(
                "it has only {} bytes, less than its header",
                bytes.len()
            )));
        };
        let word = |at: usize| {
            // Four bytes of a header of 24, at a constant place inside it.
            u32::from_le_bytes(header[at..at + 4].try_into().unwrap())
        };
        if &header[..8] != MAGIC {
            return Err(damaged("it does not begin like a store of this kind".into()));
        }
        if word(8) != VERSION {
            return Err(DiskError::Foreign {
                path: path.clone(),
                what: format!(
                    "it is written in layout {}, this program reads layout {VERSION}",
                    word(8)
                ),
            });
        }
        let length = u64::from(word(16)) | u64::from(word(20)) << 32;
        if length != body.len() as u64 {
            return Err(damaged(format!("it should hold {length} bytes and holds {}", body.len())));
        }
        if crc32fast::hash(&bytes[16..]) != word(12) {
            return Err(damaged("its checksum does not fit its bytes".into()));
        }
        codec::decode(body).map_err(|e| damaged(format!("its value cannot be decoded ({e})")))
    }

    fn write(&mut self, value: &Option<T>) -> Result<(), DiskError> {
        let path = &self.path;
        self.buffer.clear();
        self.buffer.extend_from_slice(MAGIC);
        self.buffer.extend_from_slice(&VERSION.to_le_bytes());
        self.buffer.extend_from_slice(&[0; 12]);
        codec::encode_into(value, &mut self.buffer).map_err(|e| match e {
            CodecError::TooLong { .. } => {
                DiskError::TooLarge { path: path.clone(), what: e.to_string() }
            }
            e => DiskError::Engine {
                what: "encode the save for",
                path: path.clone(),
                source: Box::new(e),
            },
        })?;
        let length = (self.buffer.len() - HEADER) as u64;
        self.buffer[16..24].copy_from_slice(&length.to_le_bytes());
        let checksum = crc32fast::hash(&self.buffer[16..]);
        self.buffer[12..16].copy_from_slice(&checksum.to_le_bytes());

        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)
            .and_then(|mut file| {
                file.write_all(&self.buffer)?;
                file.sync_all()
            })
            .map_err(|e| DiskError::io("write", &beside, e))?;
        fs::rename(&beside, path).map_err(|e| DiskError::io("rename", &beside, e))?;
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|e| DiskError::io("sync", directory, e))
    }
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Disk for WholeDisk<T> {
    type Storage = T;

    fn load(&mut self) -> Result<Option<T>, DiskError> {
        self.read()
    }

    fn commit(&mut self, save: T) -> Result<(), DiskError> {
        self.write(&Some(save))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Value = Vec<(u64, String)>;

    fn value() -> Value {
        vec![(7, "seven".into()), (8, "eight".into())]
    }

    #[test]
    fn what_was_committed_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let mut disk = WholeDisk::<Value>::init(&path).unwrap();
        assert_eq!(disk.load().unwrap(), None);
        disk.commit(vec![]).unwrap();
        disk.commit(value()).unwrap();
        let mut disk = WholeDisk::<Value>::open(&path).unwrap();
        assert_eq!(disk.load().unwrap(), Some(value()));
    }

    #[test]
    fn a_missing_store_is_not_a_fresh_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        assert!(matches!(WholeDisk::<Value>::open(&path), Err(DiskError::Missing { .. })));
        let mut disk = WholeDisk::<Value>::init(&path).unwrap();
        assert!(matches!(WholeDisk::<Value>::init(&path), Err(DiskError::Exists { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(disk.load(), Err(DiskError::Missing { .. })));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        WholeDisk::init(&path).unwrap().commit(value()).unwrap();
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(WholeDisk::<Value>::open(&path).is_err(), "cut to {length}");
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bad).unwrap();
            assert!(WholeDisk::<Value>::open(&path).is_err(), "bit {bit}");
        }
        let mut long = good.clone();
        long.push(0);
        fs::write(&path, &long).unwrap();
        assert!(WholeDisk::<Value>::open(&path).is_err());
    }

    #[test]
    fn a_save_that_is_too_large_leaves_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let mut disk = WholeDisk::init(&path).unwrap();
        disk.commit(value()).unwrap();
        let huge = vec![(1, "x".repeat(codec::MAX_BYTES))];
        assert!(matches!(disk.commit(huge), Err(DiskError::TooLarge { .. })));
        assert_eq!(disk.load().unwrap(), Some(value()));
    }
}
