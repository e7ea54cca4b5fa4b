//! The locks of a store: one process has it open, once.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::disk::DiskError;

/// The file whose lock says that a process has the store open.
const OWNER: &str = "owner.lock";

/// The locked files of a store that this process has open.
pub(super) struct Owner {
    /// Of a store that is being made there is none yet.
    data: Option<File>,
    lock: File,
}

impl Owner {
    /// Locks the data file too: `owner.lock` may be deleted, and then guards nothing.
    pub(super) fn and_data(mut self, path: &Path) -> Result<Self, DiskError> {
        let data = File::open(path).map_err(|why| DiskError::io("open", path, why))?;
        match data.try_lock() {
            Ok(()) => {
                self.data = Some(data);
                Ok(self)
            }
            Err(TryLockError::WouldBlock) => Err(DiskError::Foreign {
                path: path.to_path_buf(),
                what: "another process has it open, and a store has one owner. Stop that one first"
                    .to_string(),
            }),
            Err(TryLockError::Error(why)) => Err(DiskError::io("lock", path, why)),
        }
    }

    /// The file of a store that is open.
    pub(super) fn data(&self) -> &File {
        self.data.as_ref().unwrap_or(&self.lock)
    }

    /// An error if the path leads to another file than the one that is locked, or to none.
    pub(super) fn is_at(&self, path: &Path) -> Result<(), DiskError> {
        let look = |why| DiskError::io("look at", path, why);
        let ours = self.data().metadata().map_err(look)?;
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => Ok(()),
            Err(why) if !is_absence(&why) => Err(look(why)),
            _ => Err(DiskError::Gone { path: path.to_path_buf() }),
        }
    }
}

fn is_absence(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Keeps other processes, and this one, from opening the store a second time.
pub(super) fn own(dir: &Path) -> Result<Owner, DiskError> {
    let path = dir.join(OWNER);
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut owner = options.open(&path).map_err(|why| DiskError::io("open", &path, why))?;
    match owner.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // For the message only; an owner that has not written its number yet is "another".
            let _ = owner.read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "another process",
                number => &format!("process {number}"),
            };
            return Err(DiskError::Foreign {
                path: dir.to_path_buf(),
                what: format!(
                    "{holder} has it open, and a store has one owner. Stop that one first"
                ),
            });
        }
        Err(TryLockError::Error(why)) => return Err(DiskError::io("lock", &path, why)),
    }
    let number = format!("{}\n", std::process::id());
    owner
        .set_len(0)
        .and_then(|()| owner.write_all(number.as_bytes()))
        .map_err(|why| DiskError::io("write", &path, why))?;
    Ok(Owner { data: None, lock: owner })
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that this process is just starting has it open
        // too until its `exec`. If this fails, that close is what remains.
        let _ = self.data.as_ref().map(File::unlock);
        let _ = self.lock.unlock();
    }
}
