//! Where an actor's `Storage` becomes durable.
//!
//! stateright's `Out::save` takes a whole `Storage` and says nothing about disks. The driver hands
//! the newest one of each batch to a [`Disk`], on the commit thread, and lets no message of that
//! batch leave before the disk says that it is safe. Two disks come with this crate:
//! [`WholeDisk`](crate::whole::WholeDisk) for an ordinary actor whose storage is a serde value, and
//! a store for actors whose storage is a cheap snapshot of a large one.
//!
//! # The contract
//!
//! 1. A store comes into being by an explicit act (`init`), never by being looked for and not
//!    found. What is missing, truncated or unreadable is an error. An actor that is given an empty
//!    storage in place of a lost one forgets its promises, and then breaks them.
//! 2. [`Disk::commit`] returns `Ok` only when the save would survive the loss of power at that
//!    moment.
//! 3. After an error of [`Disk::commit`] the actor ends. Nothing is tried again: a page cache that
//!    failed to write may call the same pages clean next time.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Where an actor's `Storage` becomes durable. The module's documentation states the contract.
pub trait Disk: Send + 'static {
    /// What the actor saves.
    type Storage: Send;

    /// What the last run left; `None` only for a store that was just initialised with nothing in
    /// it.
    fn load(&mut self) -> Result<Option<Self::Storage>, DiskError>;

    /// Makes this save durable before it returns.
    ///
    /// Called from the commit thread, one call at a time, in order. A save contains everything that
    /// the saves before it contained, so the driver passes only the newest one that is at hand. An
    /// error ends the actor with nothing sent, and is never retried.
    fn commit(&mut self, save: Self::Storage) -> Result<(), DiskError>;

    /// Looks after the store; an error ends the actor as one of [`commit`](Self::commit) does.
    ///
    /// Called from the commit thread about twice a second, whether there is something to commit or
    /// not.
    fn tend(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
}

/// A store failed under a handler, which has no way to say so: the payload of the unwinding that
/// ends the handler.
///
/// Nothing of that handler may be sent, and its actor must not go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the store at {} could not {doing}: {why}. The actor was stopped before it said anything that depends on this; put \
     the disk right and start again",
    path.display()
)]
pub struct Failed {
    /// Where the store is; "memory" for one that has no disk.
    pub path: PathBuf,
    /// What was asked of it, as a verb and an object.
    pub doing: String,
    /// What went wrong.
    pub why: String,
}

/// Keeps the newest save in memory and calls that durable: for tests, and for actors that never
/// save.
#[derive(Debug)]
pub struct MemoryDisk<S>(Option<S>);

impl<S> MemoryDisk<S> {
    /// A disk with nothing on it.
    pub fn new() -> Self {
        Self(None)
    }

    /// A disk on which an earlier run left `storage`.
    pub fn holding(storage: S) -> Self {
        Self(Some(storage))
    }
}

impl<S> Default for MemoryDisk<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + 'static> Disk for MemoryDisk<S> {
    type Storage = S;

    fn load(&mut self) -> Result<Option<S>, DiskError> {
        Ok(self.0.clone())
    }

    fn commit(&mut self, save: S) -> Result<(), DiskError> {
        self.0 = Some(save);
        Ok(())
    }
}

/// Why a store could not be opened, read or written. Each message says what, where, and what to do.
#[derive(Debug, Error)]
pub enum DiskError {
    /// When there is no store where one should be.
    #[error(
        "there is no store at {}. If this actor is new, initialise its store first. If it has run before, its disk is \
         lost: bring back the disk itself, for an empty store or an older copy has forgotten what others rely on",
        path.display()
    )]
    Missing {
        /// Where the store should have been.
        path: PathBuf,
    },

    /// When `init` finds a store already there.
    #[error("there is a store at {} already. Start with it, or choose another place; it was left as it is", path.display())]
    Exists {
        /// Where the store is.
        path: PathBuf,
    },

    /// When the file of a store in use was removed, moved or replaced.
    #[error(
        "the store at {} is not at its place any more: it was removed, moved or replaced while it was in use. What was \
         acknowledged until a moment ago is in that file alone: bring it back before you start again",
        path.display()
    )]
    Gone {
        /// Where the store was.
        path: PathBuf,
    },

    /// When a store is there and its bytes make no sense.
    #[error(
        "the store at {} is damaged: {what}. Do not start with it, nor with an older copy, which has forgotten what \
         others rely on: keep it for inspection, and bring back the disk as it was",
        path.display()
    )]
    Damaged {
        /// Where the store is.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },

    /// When a store is good and belongs to something else, or was written by another version.
    #[error("the store at {} cannot be used here: {what}", path.display())]
    Foreign {
        /// Where the store is.
        path: PathBuf,
        /// What does not fit, and what would.
        what: String,
    },

    /// When the disk or its quota is full.
    #[error("there is no room left for the store at {}: {what}. Free some space, then start again", path.display())]
    Full {
        /// Where the store is.
        path: PathBuf,
        /// What did not fit.
        what: String,
    },

    /// When a save is larger than this kind of store takes.
    #[error("a save is too large for the store at {}: {what}", path.display())]
    TooLarge {
        /// Where the store is.
        path: PathBuf,
        /// How large it is and what is allowed.
        what: String,
    },

    /// When the operating system refuses a file operation.
    #[error("could not {what} {}: {source}. Check the disk and the permissions, then start again", path.display())]
    Io {
        /// What was tried, as a verb: "write", "sync", "rename".
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// When the engine behind the store refuses.
    #[error("could not {what} the store at {}: {source}", path.display())]
    Engine {
        /// What was tried, as a verb.
        what: &'static str,
        /// Where the store is.
        path: PathBuf,
        /// What the engine said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl DiskError {
    /// The error for a refused file operation; a full disk is told apart.
    pub fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, what: format!("could not {what}: {source}") }
            }
            _ => Self::Io { what, path, source },
        }
    }
}
