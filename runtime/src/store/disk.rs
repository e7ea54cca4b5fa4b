//! Making, opening and committing to the store of one actor.

use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chainring_store::OrderedKey;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, MdbError, RwTxn, WithoutTls};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::{Batch, Engine, Published, RemapError, Tables, open};
use super::identity::{IDENTITY, Identity};
use super::owner::own;
use super::pages::{self, ABOUT, Fault, Found, Look, RECORD, ROWS};
use super::proof::{Newest, Record, Sum};
use super::{LmdbStore, Position, Write, decode_key, decode_row};
use crate::disk::{Disk, DiskError};

/// The name that LMDB gives its file in a directory.
const DATA: &str = "data.mdb";
/// Where a store is made before it is one.
const UNFINISHED: &str = "init.tmp";

/// The version of what this module writes. A store of another is refused, but for `UNPROVED`.
pub const FORMAT: u32 = 2;
/// The version without a [`Record`] of each commit. The first commit to such a store makes it one
/// of this version.
const UNPROVED: u32 = 1;

/// The map grows by its own size, and by no more than this.
const LARGEST_STEP: usize = 1 << 30;
/// Map sizes are multiples of this, and so of every page size in use.
const GRAIN: usize = 64 << 10;
/// LMDB's number of the commit that makes a store.
const FIRST_COMMIT: u64 = 1;
/// How many commits can be looked at at the same time.
const MOST_SNAPSHOTS: u32 = 1024;

/// An actor's store on a disk: commits the [`LmdbStore`] that the actor saves.
///
/// A directory of its own holds it: `data.mdb`, LMDB's `lock.mdb`, `newest`, which says which
/// commit was the newest, and `owner.lock`. The process that has the store open keeps `data.mdb`
/// and `owner.lock` locked. The file `data.mdb` is always as long as LMDB's map, so that a
/// truncated one can be told; where the file system can, that room is reserved, so that a disk that
/// runs full is noticed when the map grows and not in the middle of a commit.
pub struct LmdbDisk<K, V> {
    engine: Arc<Engine>,
    published: Arc<Published>,
    identity: Identity,
    /// The cluster and the kind, where the store's record of them is still of the format
    /// [`UNPROVED`].
    unproved: Option<(u64, String)>,
    /// All rows of the newest commit.
    sum: Sum,
    /// What says outside of the store which commit is its newest.
    newest: Newest,
    /// Invariant: has every commit that is newer than the oldest live snapshot.
    recent: VecDeque<Batch>,
    /// Whether a commit failed. Then no other is tried.
    failed: bool,
    types: PhantomData<fn() -> (K, V)>,
}

/// How a store is made and opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LmdbOptions {
    /// The room that [`LmdbDisk::init`] gives a store. It grows by itself, so this is a matter of
    /// taste.
    pub map_size: usize,
    /// What [`LmdbDisk::open`] looks at before it trusts a store.
    pub check: Check,
}

/// What [`LmdbDisk::open`] looks at before it trusts a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// When every page must be whole, every row must fit its checksum and decode, and all of them
    /// must be those of the newest commit: takes about as long as reading the file.
    Rows,
    /// When the file's length, its meta pages and identity are enough: takes no time. A damaged row
    /// stops the actor when it is read; a damaged page may end the process. A store that has no
    /// record of its commits yet is read whole.
    Identity,
}

/// What a store takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LmdbStats {
    /// The number of rows.
    pub rows: u64,
    /// The length of the map, and of the file.
    pub map_bytes: u64,
    /// How much of the file has ever been used; pages in it that became free are used again.
    pub used_bytes: u64,
    /// The number of commits that this process can still read: the newest, and those under older
    /// handles.
    pub snapshots: usize,
}

impl<K: OrderedKey, V: Serialize + DeserializeOwned> LmdbDisk<K, V> {
    /// Makes the store of a new actor: `fill` writes what it holds at first.
    ///
    /// `cluster` and `kind` (what the actor is there for) say whose it is; [`open`](Self::open)
    /// must name the same. Identity and content are one synced transaction, in a directory aside;
    /// the finished file is moved to its place, and the directories are synced. So after a crash at
    /// any moment there is a complete store or none.
    ///
    /// Refuses, and leaves everything as it is, if there is a store already.
    pub fn init(
        dir: &Path,
        cluster: u64,
        kind: &str,
        options: LmdbOptions,
        fill: impl FnOnce(&mut LmdbStore<K, V>),
    ) -> Result<Identity, DiskError> {
        fs::create_dir_all(dir).map_err(|why| DiskError::io("create", dir, why))?;
        let _owner = own(dir)?;
        let (path, unfinished) = (dir.join(DATA), dir.join(UNFINISHED));
        if path.exists() {
            return Err(DiskError::Exists { path });
        }
        let mut first = LmdbStore::in_memory();
        fill(&mut first);

        match fs::remove_dir_all(&unfinished) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => {
                return Err(DiskError::io("remove", &unfinished, why));
            }
            _ => fs::create_dir(&unfinished)
                .map_err(|why| DiskError::io("create", &unfinished, why))?,
        }
        let made = unfinished.join(DATA);
        // The map must take the whole first content. LMDB's overhead is far below the factor of
        // four.
        let content = first.overlay.values().map(|write| write.key.len() + write.row_len() + 64);
        let size = grain(options.map_size.max(4 * content.sum::<usize>()));
        let id = Identity::draw().map_err(|why| DiskError::io("draw an identity for", dir, why))?;
        {
            let env = environment(&unfinished, Some(size))?;
            make(&env, &first, About { id, cluster, kind })
                .map_err(|why| engine_error("write", &made, why))?;
        }
        reserve(&made, size)?;
        Newest::make(dir, id, FIRST_COMMIT)?;
        move_to(&made, &path)?;
        fs::remove_dir_all(&unfinished).map_err(|why| DiskError::io("remove", &unfinished, why))?;
        sync_dir(dir)?;
        if let Some(parent) = dir.canonicalize().ok().as_deref().and_then(Path::parent) {
            sync_dir(parent)?;
        }
        Ok(id)
    }

    /// Opens the store that [`init`](Self::init) made for this `cluster` and `kind`.
    ///
    /// Refuses, with a sentence that says what to do, when the file is missing, empty, shorter than
    /// its own header says, or no LMDB file; when its making was never finished; when it belongs to
    /// another cluster, kind or version; when another process (or another `LmdbDisk` or a handle in
    /// this one) has it open; when it is older than what it had committed; and, with
    /// [`Check::Rows`], when a page or a row is damaged, or the rows are not those of the newest
    /// commit. All this is read from the file before LMDB maps it, since a page that is damaged or
    /// not there would end the process. The modules `pages` and `proof` say what is looked at, and
    /// what is not caught.
    pub fn open(
        dir: &Path,
        cluster: u64,
        kind: &str,
        options: LmdbOptions,
    ) -> Result<Self, DiskError> {
        let path = dir.join(DATA);
        if !path.exists() {
            return Err(DiskError::Missing { path });
        }
        let owner = own(dir)?.and_data(&path)?;
        let seen = inspect::<K, V>(&path, owner.data(), cluster, kind, options.check)?;
        let newest = Newest::open(dir, seen.identity, seen.commit)?;
        let env = environment(dir, None).map_err(|why| match why {
            DiskError::Engine { source, .. } => damaged(&path, format!("LMDB says: {source}")),
            other => other,
        })?;
        let (map_size, last) = (env.info().map_size, env.info().last_txn_id as u64);
        if last != seen.commit {
            let what = format!("LMDB opens commit {last}, and its newest is {}", seen.commit);
            return Err(damaged(&path, what));
        }
        if length(&path)? < map_size as u64 {
            // A copy, cut after the last page in use.
            reserve(&path, map_size)?;
        }
        let tables =
            tables(&env).map_err(|why| engine_error("read", &path, why))?.ok_or_else(|| {
                damaged(&path, "it is an LMDB file that holds no store of this program".to_string())
            })?;
        let engine = Engine::new(env, tables, path, owner);
        let base = engine
            .snapshot(Position::default())
            .map_err(|why| engine_error("read", &engine.path, why))?;
        Ok(LmdbDisk {
            engine,
            published: Arc::new(Published::new(base)),
            identity: seen.identity,
            unproved: seen.unproved.then(|| (cluster, kind.to_string())),
            sum: seen.sum,
            newest,
            recent: VecDeque::new(),
            failed: false,
            types: PhantomData,
        })
    }

    /// Which store this is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// A handle on the newest commit.
    pub fn store(&self) -> LmdbStore<K, V> {
        LmdbStore::on_disk(Arc::clone(&self.published))
    }

    /// What the store takes.
    pub fn stats(&self) -> Result<LmdbStats, DiskError> {
        let Engine { env, tables, path, .. } = &*self.engine;
        let rows = env.read_txn().and_then(|txn| tables.rows.len(&txn));
        let info = env.info();
        let page = u64::from(env.unnamed_database_stat().page_size);
        Ok(LmdbStats {
            rows: rows.map_err(|why| engine_error("read", path, why))?,
            map_bytes: info.map_size as u64,
            used_bytes: (info.last_page_number as u64 + 1) * page,
            snapshots: self.engine.live().len(),
        })
    }

    fn try_commit(&mut self, save: &LmdbStore<K, V>) -> Result<(), DiskError> {
        let committed = self.published.newest();
        let foreign = |what: &str| DiskError::Foreign {
            path: self.engine.path.clone(),
            what: what.to_string(),
        };
        match &save.origin {
            super::Origin::Disk { base, .. } if base.is_of(&self.engine) => {}
            _ => return Err(foreign("the save is of another store")),
        }
        if save.position_at(committed.at.stamp) != Some(committed.at) {
            return Err(foreign(
                "the save does not contain the last one; every save must descend from the one before it",
            ));
        }
        if save.position == committed.at {
            return Ok(());
        }
        // The overlay has the last write of each key, in the order in which LMDB writes them best.
        let fresh = |write: &&Arc<Write>| write.position.stamp > committed.at.stamp;
        let writes: Vec<_> = save.overlay.values().filter(fresh).collect();
        let (commit, sum) = loop {
            match self.write(&writes) {
                Ok(written) => break written,
                Err(heed::Error::Mdb(MdbError::MapFull)) => self.grow()?,
                Err(why) => return Err(engine_error("write to", &self.engine.path, why)),
            }
        };
        (self.sum, self.unproved) = (sum, None);
        // A commit to a file that was removed meanwhile is none.
        self.engine.is_at_its_place()?;
        self.newest.note(commit);
        let base = self.engine.snapshot(save.position);
        self.published.publish(base.map_err(|why| engine_error("read", &self.engine.path, why))?);
        let keys = writes.iter().map(|write| Arc::clone(&write.key)).collect();
        let stamp = save.position.stamp;
        self.recent.push_back(Batch { stamp, keys });
        drop(committed);
        let oldest = self.engine.live().into_iter().min().unwrap_or(stamp);
        while self.recent.front().is_some_and(|batch| batch.stamp <= oldest) {
            self.recent.pop_front();
        }
        Ok(())
    }

    /// Writes these in one synced transaction, or none of them. Returns its number, and all rows
    /// that it leaves.
    fn write(&self, writes: &[&Arc<Write>]) -> heed::Result<(u64, Sum)> {
        let Engine { env, tables: Tables { rows, about, main }, .. } = &*self.engine;
        let mut txn = env.write_txn()?;
        let mut sum = self.sum;
        for write in writes {
            if let Some(old) = rows.get(&txn, &write.key)? {
                sum.remove_value(&write.key, old);
            }
            apply(&mut txn, *rows, write, &mut sum)?;
        }
        if let Some((cluster, kind)) = &self.unproved {
            let says = About { id: self.identity, cluster: *cluster, kind };
            about.put(&mut txn, IDENTITY, &says.to_bytes())?;
        }
        let commit = prove(&mut txn, *main, env.info().map_size, sum, self.identity)?;
        txn.commit()?;
        Ok((commit, sum))
    }

    /// Makes the map larger. The module's documentation says why no handle can tell.
    fn grow(&self) -> Result<(), DiskError> {
        let Engine { env, path, .. } = &*self.engine;
        let now = env.info().map_size;
        let size = grain(now.saturating_add(now.min(LARGEST_STEP)));
        reserve(path, size)?;
        tracing::info!(path = %path.display(), from = now, to = size, "the store's map grows");
        self.engine.remap(size, &self.recent).map_err(|why| match why {
            RemapError::Engine(why) => engine_error("enlarge the map of", path, why),
            RemapError::Row(why) => damaged(path, why),
        })
    }
}

impl<K, V> Disk for LmdbDisk<K, V>
where
    K: OrderedKey + 'static,
    V: Serialize + DeserializeOwned + 'static,
{
    type Storage = LmdbStore<K, V>;

    /// Always a store: one that was initialised with nothing in it is an empty one.
    fn load(&mut self) -> Result<Option<LmdbStore<K, V>>, DiskError> {
        Ok(Some(self.store()))
    }

    fn commit(&mut self, save: LmdbStore<K, V>) -> Result<(), DiskError> {
        if self.failed {
            return Err(DiskError::Engine {
                what: "write to",
                path: self.engine.path.clone(),
                source: "an earlier commit failed, and what the disk holds now is unknown".into(),
            });
        }
        let result = self.try_commit(&save);
        self.failed = result.is_err();
        result
    }

    /// Looks whether the file is still at its place, and syncs what says which commit is the
    /// newest.
    fn tend(&mut self) -> Result<(), DiskError> {
        self.newest.settle();
        self.engine.is_at_its_place()
    }
}

impl<K, V> fmt::Debug for LmdbDisk<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LmdbDisk");
        debug.field("path", &self.engine.path).field("identity", &self.identity);
        debug.finish_non_exhaustive()
    }
}

impl Default for LmdbOptions {
    /// 64 MiB to begin with, and every row checked.
    fn default() -> Self {
        LmdbOptions { map_size: 64 << 20, check: Check::Rows }
    }
}

impl Write {
    fn row_len(&self) -> usize {
        self.row.as_ref().map_or(0, |row| row.len())
    }
}

/// The record that says what a store is: format (4 bytes), identity (16), cluster (8), kind
/// (UTF-8), and a checksum.
struct About<'a> {
    id: Identity,
    cluster: u64,
    kind: &'a str,
}

impl<'a> About<'a> {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = FORMAT.to_le_bytes().to_vec();
        bytes.extend(self.id.0.to_le_bytes());
        bytes.extend(self.cluster.to_le_bytes());
        bytes.extend(self.kind.as_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// The format of the record, and what it says if it is of this format and whole.
    fn from_bytes(bytes: &'a [u8]) -> Option<(u32, Option<Self>)> {
        let (format, _) = bytes.split_first_chunk()?;
        Some((u32::from_le_bytes(*format), Self::body(bytes)))
    }

    fn body(bytes: &'a [u8]) -> Option<Self> {
        let (bytes, crc) = bytes.split_last_chunk()?;
        if crc32fast::hash(bytes) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (id, bytes) = bytes.get(4..)?.split_first_chunk()?;
        let (cluster, kind) = bytes.split_first_chunk()?;
        Some(About {
            id: Identity(u128::from_le_bytes(*id)),
            cluster: u64::from_le_bytes(*cluster),
            kind: str::from_utf8(kind).ok()?,
        })
    }
}

/// What [`inspect`] found in a file that is good.
struct Seen {
    identity: Identity,
    commit: u64,
    sum: Sum,
    /// Whether it is of the format [`UNPROVED`].
    unproved: bool,
}

/// Reads the file as LMDB will, and checks what LMDB takes on trust, and whose store it is.
fn inspect<K: OrderedKey, V: DeserializeOwned>(
    path: &Path,
    file: &File,
    cluster: u64,
    kind: &str,
    check: Check,
) -> Result<Seen, DiskError> {
    let mut row = |key: &[u8], value: &[u8]| {
        let row = open(key, value)?;
        let key = decode_key::<K>(key)?;
        decode_row::<V>(row)
            .map(drop)
            .map_err(|why| format!("the row at {key:?} is unreadable: {why}"))
    };
    let failed = |fault| match fault {
        Fault::Io(why) => DiskError::io("read", path, why),
        Fault::Damaged(what) => damaged(path, what),
    };
    let looked = pages::examine(file, Look::Identity).map_err(failed)?;
    let (identity, unproved) = check_about(path, &looked, cluster, kind)?;
    looked.verify(identity.0, unproved, false).map_err(|what| damaged(path, what))?;
    let mut sum = looked.recorded_sum(identity.0);
    if check == Check::Rows || sum.is_none() {
        let found = pages::examine(file, Look::All(&mut row)).map_err(failed)?;
        found.verify(identity.0, unproved, true).map_err(|what| damaged(path, what))?;
        sum = Some(found.sum);
    }
    Ok(Seen { identity, commit: looked.commit, sum: sum.unwrap_or_default(), unproved })
}

fn check_about(
    path: &Path,
    found: &Found,
    cluster: u64,
    kind: &str,
) -> Result<(Identity, bool), DiskError> {
    let foreign = |what| DiskError::Foreign { path: path.to_path_buf(), what };
    match found.identity.as_deref().and_then(About::from_bytes) {
        Some((FORMAT | UNPROVED, Some(about))) if about.cluster != cluster => {
            Err(foreign(format!(
                "it belongs to cluster {:#x}, and this is cluster {cluster:#x}. Check which directory this node was given",
                about.cluster
            )))
        }
        Some((FORMAT | UNPROVED, Some(about))) if about.kind != kind => Err(foreign(format!(
            "it belongs to a {}, and this is a {kind}. Check which directory this actor was given",
            about.kind
        ))),
        Some((format @ (FORMAT | UNPROVED), Some(about))) => Ok((about.id, format == UNPROVED)),
        // The checksum tells a version that is to come from a damaged number.
        Some((format, Some(_))) => Err(foreign(format!(
            "its format is version {format}, and this program writes version {FORMAT}. Use the program that made it"
        ))),
        _ => Err(damaged(path, "the record of its identity is missing or unreadable".to_string())),
    }
}

/// Opens an LMDB environment with full sync: `size` for a new one, `None` for the size that the
/// file says.
fn environment(dir: &Path, size: Option<usize>) -> Result<Env<WithoutTls>, DiskError> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(2).max_readers(MOST_SNAPSHOTS);
    if let Some(size) = size {
        options.map_size(size);
    }
    // SAFETY: the map is undefined if another process changes the file under it. The process with
    // the lock on the owner file, as the caller does, is the only process that opens it; this
    // module writes to it through LMDB alone, and lengthens it, which touches no mapped page. No
    // flag that LMDB calls unsafe is set.
    #[allow(unsafe_code)]
    let env = unsafe { options.open(dir) };
    env.map_err(|why| engine_error("open", dir, why))
}

/// The tables of a store, if this is one.
fn tables(env: &Env<WithoutTls>) -> heed::Result<Option<Tables>> {
    let opened = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
        let open = |name| -> heed::Result<Option<Database<'_, Bytes, Bytes>>> {
            opener.open_database(txn, name)
        };
        let tables = (open(Some(ROWS))?, open(Some(ABOUT))?, open(None)?);
        Ok::<_, heed::Error>(match tables {
            (Some(rows), Some(about), Some(main)) => CommitOrAbort::Commit((rows, about, main)),
            _ => CommitOrAbort::Abort(()),
        })
    })?;
    Ok(opened.commit().map(|(rows, about, main)| Tables { rows, about, main }))
}

/// Writes a new store's tables, content and identity in one synced transaction.
fn make<K, V>(
    env: &Env<WithoutTls>,
    first: &LmdbStore<K, V>,
    about: About<'_>,
) -> heed::Result<()> {
    env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
        let rows: Database<'_, Bytes, Bytes> = opener.create_database(txn, Some(ROWS))?;
        let table: Database<'_, Bytes, Bytes> = opener.create_database(txn, Some(ABOUT))?;
        let main: Database<'_, Bytes, Bytes> = opener.create_database(txn, None)?;
        let mut sum = Sum::default();
        for write in first.overlay.values() {
            apply(txn, rows, write, &mut sum)?;
        }
        table.put(txn, IDENTITY, &about.to_bytes())?;
        prove(txn, main, env.info().map_size, sum, about.id)?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(()))
    })?;
    Ok(())
}

/// Writes the record of a commit into it; returns its number.
fn prove(
    txn: &mut RwTxn<'_>,
    main: Database<'_, Bytes, Bytes>,
    map_size: usize,
    sum: Sum,
    identity: Identity,
) -> heed::Result<u64> {
    let commit = txn.id() as u64;
    let record = Record { commit, map_size: map_size as u64, sum };
    main.put(txn, RECORD, &record.to_bytes(identity.0))?;
    Ok(commit)
}

/// Makes a write, and counts the row that it leaves.
fn apply(
    txn: &mut RwTxn<'_>,
    rows: Database<'_, Bytes, Bytes>,
    write: &Write,
    sum: &mut Sum,
) -> heed::Result<()> {
    match &write.row {
        Some(row) => {
            sum.add(&write.key, row.len(), write.seal);
            let mut value = Vec::with_capacity(row.len() + 4);
            value.extend_from_slice(row);
            value.extend_from_slice(&write.seal.to_le_bytes());
            rows.put(txn, &write.key, &value)
        }
        None => rows.delete(txn, &write.key).map(|_| ()),
    }
}

/// Makes the file `size` bytes long, durably, and reserves room for them where the file system can.
fn reserve(path: &Path, size: usize) -> Result<(), DiskError> {
    let refused = |why| DiskError::io("reserve room for", path, why);
    let file = OpenOptions::new().write(true).open(path).map_err(refused)?;
    let flags = rustix::fs::FallocateFlags::empty();
    match rustix::fs::fallocate(&file, flags, 0, size as u64) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            if length(path)? < size as u64 {
                file.set_len(size as u64).map_err(refused)?;
            }
        }
        other => other.map_err(|why| refused(why.into()))?,
    }
    file.sync_all().map_err(|why| DiskError::io("sync", path, why))
}

fn length(path: &Path) -> Result<u64, DiskError> {
    let about = fs::metadata(path).map_err(|why| DiskError::io("look at", path, why))?;
    Ok(about.len())
}

/// Moves a finished file to its place, where none may be.
fn move_to(made: &Path, path: &Path) -> Result<(), DiskError> {
    let (here, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::NOREPLACE);
    match rustix::fs::renameat_with(here, made, here, path, flags) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::EXIST) => Err(DiskError::Exists { path: path.to_path_buf() }),
        // Not every file system can; the lock on the directory's owner file is what remains.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::rename(made, path).map_err(|why| DiskError::io("move to its place", made, why))
        }
        Err(why) => Err(DiskError::io("move to its place", made, why.into())),
    }
}

fn sync_dir(dir: &Path) -> Result<(), DiskError> {
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|why| DiskError::io("sync", dir, why))
}

fn grain(size: usize) -> usize {
    size.next_multiple_of(GRAIN)
}

fn damaged(path: &Path, what: String) -> DiskError {
    DiskError::Damaged { path: path.to_path_buf(), what }
}

fn engine_error(what: &'static str, path: &Path, why: heed::Error) -> DiskError {
    match why {
        heed::Error::Io(why) => DiskError::io(what, path, why),
        why => DiskError::Engine { what, path: PathBuf::from(path), source: Box::new(why) },
    }
}
