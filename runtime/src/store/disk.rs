//! Making, opening and committing to the store of one actor.

use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chainring_model::store::OrderedKey;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, MdbError, RwTxn, WithoutTls};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::engine::{Batch, Engine, Published, RemapError, Rows, open};
use super::{LmdbStore, Position, Write, decode_key, decode_row};
use crate::disk::{Disk, DiskError};

/// The name that LMDB gives its file in a directory.
const DATA: &str = "data.mdb";
/// The file whose lock says that a process has the store open.
const OWNER: &str = "owner.lock";
/// Where a store is made before it is one.
const UNFINISHED: &str = "init.tmp";

/// The names of the two tables in the file.
const ROWS: &str = "rows";
const ABOUT: &str = "about";
/// The key of the one record of the table `about`.
const IDENTITY: &[u8] = b"identity";

/// The version of what this module writes; a store of another is refused.
const FORMAT: u32 = 1;

/// The map grows by its own size, and by no more than this.
const LARGEST_STEP: usize = 1 << 30;
/// Map sizes are multiples of this, and so of every page size in use.
const GRAIN: usize = 64 << 10;
/// How many commits can be looked at at the same time.
const MOST_SNAPSHOTS: u32 = 1024;

/// An actor's store on a disk: commits the [`LmdbStore`] that the actor saves.
///
/// A directory of its own holds it: `data.mdb`, LMDB's `lock.mdb`, and `owner.lock`, which the process that has the store
/// open keeps locked. The file `data.mdb` is always as long as LMDB's map, so that a truncated one can be told; where
/// the file system can, that room is reserved, so that a disk that runs full is noticed when the map grows and not in
/// the middle of a commit.
pub struct LmdbDisk<K, V> {
    engine: Arc<Engine>,
    published: Arc<Published>,
    identity: Identity,
    /// Invariant: has every commit that is newer than the oldest live snapshot.
    recent: VecDeque<Batch>,
    /// Whether a commit failed. Then no other is tried.
    failed: bool,
    types: PhantomData<fn() -> (K, V)>,
}

/// Which store this is: drawn when it was made, and never again.
///
/// A cluster file names it, so that a store which was made anew after its disk was lost is not taken for the old one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity(pub u128);

/// How a store is made and opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LmdbOptions {
    /// The room that [`LmdbDisk::init`] gives a store. It grows by itself, so this is a matter of taste.
    pub map_size: usize,
    /// What [`LmdbDisk::open`] looks at before it trusts a store.
    pub check: Check,
}

/// What [`LmdbDisk::open`] looks at before it trusts a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// When every row must fit its checksum and decode: takes about as long as reading the file.
    Rows,
    /// When the file's length, header and identity are enough: takes no time. A damaged row stops the actor when it is
    /// read.
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
    /// The number of commits that this process can still read: the newest, and those under older handles.
    pub snapshots: usize,
}

impl<K: OrderedKey, V: Serialize + DeserializeOwned> LmdbDisk<K, V> {
    /// Makes the store of a new actor: `fill` writes what it holds at first.
    ///
    /// `cluster` and `kind` ("replica", "gateway") say whose it is; [`open`](Self::open) must name the same. Identity
    /// and content are one synced transaction, in a directory aside; the finished file is moved to its place, and the
    /// directories are synced. So after a crash at any moment there is a complete store or none.
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
        // The map must take the whole first content. LMDB's overhead is far below the factor of four.
        let content = first.overlay.values().map(|write| write.key.len() + write.row_len() + 64);
        let size = grain(options.map_size.max(4 * content.sum::<usize>()));
        let id = Identity::draw().map_err(|why| DiskError::io("draw an identity for", dir, why))?;
        {
            let env = environment(&unfinished, Some(size))?;
            make(&env, &first, &About { id, cluster, kind }.to_bytes())
                .map_err(|why| engine_error("write", &made, why))?;
        }
        reserve(&made, size)?;
        fs::rename(&made, &path).map_err(|why| DiskError::io("move to its place", &made, why))?;
        fs::remove_dir_all(&unfinished).map_err(|why| DiskError::io("remove", &unfinished, why))?;
        sync_dir(dir)?;
        if let Some(parent) = dir.canonicalize().ok().as_deref().and_then(Path::parent) {
            sync_dir(parent)?;
        }
        Ok(id)
    }

    /// Opens the store that [`init`](Self::init) made for this `cluster` and `kind`.
    ///
    /// Refuses, with a sentence that says what to do, when the file is missing, empty, shorter than its own header says,
    /// or no LMDB file; when its making was never finished; when it belongs to another cluster, kind or version; when
    /// another process (or another `LmdbDisk` or a handle in this one) has it open; and, with [`Check::Rows`], when a row
    /// is damaged. It looks at the file's length before anything reads a page through the map, since reading a page that
    /// is not there would kill the process.
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
        let owner = own(dir)?;
        check_header(&path)?;
        let env = environment(dir, None).map_err(|why| match why {
            DiskError::Engine { source, .. } => damaged(&path, format!("LMDB says: {source}")),
            other => other,
        })?;
        check_length(&path, &env)?;
        let map_size = env.info().map_size;
        if length(&path)? < map_size as u64 {
            // A copy, cut after the last page in use.
            reserve(&path, map_size)?;
        }
        let (rows, about) =
            tables(&env).map_err(|why| engine_error("read", &path, why))?.ok_or_else(|| {
                damaged(&path, "it is an LMDB file that holds no store of this program".to_string())
            })?;
        let identity = check_about(&path, &env, about, cluster, kind)?;
        if options.check == Check::Rows {
            check_rows::<K, V>(&path, &env, rows)?;
        }
        let engine = Engine::new(env, rows, path, owner);
        let base = engine
            .snapshot(Position::default())
            .map_err(|why| engine_error("read", &engine.path, why))?;
        Ok(LmdbDisk {
            engine,
            published: Arc::new(Published::new(base)),
            identity,
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
        let Engine { env, rows, path, .. } = &*self.engine;
        let rows = env.read_txn().and_then(|txn| rows.len(&txn));
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
        while let Err(why) = self.write(&writes) {
            match why {
                heed::Error::Mdb(MdbError::MapFull) => self.grow()?,
                why => return Err(engine_error("write to", &self.engine.path, why)),
            }
        }
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

    /// Writes these in one synced transaction, or none of them.
    fn write(&self, writes: &[&Arc<Write>]) -> heed::Result<()> {
        let mut txn = self.engine.env.write_txn()?;
        for write in writes {
            apply(&mut txn, self.engine.rows, write)?;
        }
        txn.commit()
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

impl Identity {
    fn draw() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|why| io::Error::other(why.to_string()))?;
        Ok(Identity(u128::from_le_bytes(bytes)))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

impl Write {
    fn row_len(&self) -> usize {
        self.row.as_ref().map_or(0, |row| row.len())
    }
}

/// The record that says what a store is: format (4 bytes), identity (16), cluster (8), kind (UTF-8), and a checksum.
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

/// The locked file of a store that this process has open.
pub(super) struct Owner(File);

/// Keeps other processes, and this one, from opening the store a second time.
fn own(dir: &Path) -> Result<Owner, DiskError> {
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
    Ok(Owner(owner))
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that this process is just starting has it open too until its `exec`.
        // If this fails, that close is what remains.
        let _ = self.0.unlock();
    }
}

/// Looks at the header as LMDB will, and at what LMDB takes on trust.
fn check_header(path: &Path) -> Result<(), DiskError> {
    // LMDB's meta page: a page header of 16 bytes, magic, version, an address, the map's size, the page size.
    const MAGIC: usize = 16;
    const PAGE_SIZE: usize = 40;
    const HEADER: usize = 44;
    let file = File::open(path).map_err(|why| DiskError::io("open", path, why))?;
    let mut header = Vec::with_capacity(HEADER);
    let read = file.take(HEADER as u64).read_to_end(&mut header);
    read.map_err(|why| DiskError::io("read", path, why))?;
    let number = |at: usize| Some(u32::from_ne_bytes(*header.get(at..)?.first_chunk()?));
    let (Some(magic), Some(page_size)) = (number(MAGIC), number(PAGE_SIZE)) else {
        let what = format!("it is {} bytes long, too short for any store", header.len());
        return Err(damaged(path, what));
    };
    if magic != 0xBEEF_C0DE {
        return Err(damaged(path, "it does not begin as an LMDB file does".to_string()));
    }
    if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
        return Err(damaged(path, format!("its header says that a page has {page_size} bytes")));
    }
    Ok(())
}

/// Refuses a file that ends before its last page. Reads nothing through the map but the meta pages, which LMDB read from
/// the file when it opened it.
///
/// LMDB alone may leave a file shorter than that, when the last pages of a transaction were free again before it ended.
/// It cannot here, as the file is as long as the map from the start.
fn check_length(path: &Path, env: &Env<WithoutTls>) -> Result<(), DiskError> {
    let page = u64::from(env.unnamed_database_stat().page_size);
    let needed = (env.info().last_page_number as u64 + 1).saturating_mul(page);
    let length = length(path)?;
    if length < needed {
        let what =
            format!("it was truncated: it is {length} bytes long and its header says {needed}");
        return Err(damaged(path, what));
    }
    Ok(())
}

fn check_about(
    path: &Path,
    env: &Env<WithoutTls>,
    about: Rows,
    cluster: u64,
    kind: &str,
) -> Result<Identity, DiskError> {
    let txn = env.read_txn().map_err(|why| engine_error("read", path, why))?;
    let record = about.get(&txn, IDENTITY).map_err(|why| engine_error("read", path, why))?;
    let foreign = |what| DiskError::Foreign { path: path.to_path_buf(), what };
    match record.and_then(About::from_bytes) {
        Some((FORMAT, Some(about))) if about.cluster != cluster => Err(foreign(format!(
            "it belongs to cluster {:#x}, and this is cluster {cluster:#x}. Check which directory this node was given",
            about.cluster
        ))),
        Some((FORMAT, Some(about))) if about.kind != kind => Err(foreign(format!(
            "it belongs to a {}, and this is a {kind}. Check which directory this actor was given",
            about.kind
        ))),
        Some((FORMAT, Some(about))) => Ok(about.id),
        Some((format, _)) if format != FORMAT => Err(foreign(format!(
            "its format is version {format}, and this program writes version {FORMAT}. Use the program that made it"
        ))),
        _ => Err(damaged(path, "the record of its identity is missing or unreadable".to_string())),
    }
}

fn check_rows<K: OrderedKey, V: DeserializeOwned>(
    path: &Path,
    env: &Env<WithoutTls>,
    rows: Rows,
) -> Result<(), DiskError> {
    let read = |why| engine_error("read", path, why);
    let txn = env.read_txn().map_err(read)?;
    for row in rows.iter(&txn).map_err(read)? {
        let (key, value) = row.map_err(read)?;
        let whole = open(key, value).and_then(|row| {
            let key = decode_key::<K>(key)?;
            decode_row::<V>(row).map_err(|why| format!("the row at {key:?} is unreadable: {why}"))
        });
        whole.map_err(|what| damaged(path, what))?;
    }
    Ok(())
}

/// Opens an LMDB environment with full sync: `size` for a new one, `None` for the size that the file says.
fn environment(dir: &Path, size: Option<usize>) -> Result<Env<WithoutTls>, DiskError> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.max_dbs(2).max_readers(MOST_SNAPSHOTS);
    if let Some(size) = size {
        options.map_size(size);
    }
    // SAFETY: the map is undefined if somebody else changes the file under it. Whoever holds the lock on the owner file,
    // as the caller does, is the only process that opens it; this module writes to it through LMDB alone, and lengthens
    // it, which touches no mapped page. No flag that LMDB calls unsafe is set.
    #[allow(unsafe_code)]
    let env = unsafe { options.open(dir) };
    env.map_err(|why| engine_error("open", dir, why))
}

/// The two tables of a store, if this is one.
fn tables(env: &Env<WithoutTls>) -> heed::Result<Option<(Rows, Rows)>> {
    let opened = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
        let rows: Option<Database<'_, Bytes, Bytes>> = opener.open_database(txn, Some(ROWS))?;
        let about: Option<Database<'_, Bytes, Bytes>> = opener.open_database(txn, Some(ABOUT))?;
        Ok::<_, heed::Error>(match (rows, about) {
            (Some(rows), Some(about)) => CommitOrAbort::Commit((rows, about)),
            _ => CommitOrAbort::Abort(()),
        })
    })?;
    Ok(opened.commit())
}

/// Writes a new store's tables, content and identity in one synced transaction.
fn make<K, V>(env: &Env<WithoutTls>, first: &LmdbStore<K, V>, about: &[u8]) -> heed::Result<()> {
    env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
        let rows: Database<'_, Bytes, Bytes> = opener.create_database(txn, Some(ROWS))?;
        let table: Database<'_, Bytes, Bytes> = opener.create_database(txn, Some(ABOUT))?;
        for write in first.overlay.values() {
            apply(txn, rows, write)?;
        }
        table.put(txn, IDENTITY, about)?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(()))
    })?;
    Ok(())
}

fn apply(txn: &mut RwTxn<'_>, rows: Database<'_, Bytes, Bytes>, write: &Write) -> heed::Result<()> {
    match &write.row {
        Some(row) => {
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
