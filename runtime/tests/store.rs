//! The LMDB store against the map that proofs use, and against everything that may have happened to
//! its file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use chainring_runtime::disk::{Disk, DiskError, Failed};
use chainring_runtime::store::{Check, Identity, LmdbDisk, LmdbOptions, LmdbStore, Position};
use chainring_store::{MapStore, OrderedKey, Store};
use tempfile::TempDir;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name(String);

impl OrderedKey for Name {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Name(str::from_utf8(bytes).ok()?.to_string()))
    }
}

type LStore = LmdbStore<Name, String>;
type LDisk = LmdbDisk<Name, String>;
type Map = MapStore<Name, String>;

const CLUSTER: u64 = 7;
const SMALL: LmdbOptions = LmdbOptions { map_size: 64 << 10, check: Check::Rows };

fn name(n: usize) -> Name {
    Name(format!("k{n:05}"))
}

fn init(dir: &Path) -> Identity {
    LDisk::init(dir, CLUSTER, "replica", SMALL, |_| ()).unwrap()
}

fn reopen(dir: &Path) -> Result<LDisk, DiskError> {
    LDisk::open(dir, CLUSTER, "replica", SMALL)
}

fn fresh() -> (TempDir, LDisk) {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let disk = reopen(dir.path()).unwrap();
    (dir, disk)
}

fn refusal(dir: &Path) -> String {
    reopen(dir).unwrap_err().to_string()
}

fn everything<S: Store<Name, String>>(store: &S) -> Vec<(Name, String)> {
    store.scan(Unbounded, Unbounded, usize::MAX)
}

fn hash(store: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    store.hash(&mut hasher);
    hasher.finish()
}

fn failure(f: impl FnOnce()) -> Failed {
    let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    *payload.downcast().expect("the payload is a Failed")
}

/// Store, map and store in memory, through the same random writes; snapshots and forks of them that
/// are looked at again and again while commits, and moves of the map, go on.
#[test]
fn behaves_as_the_map_does() {
    for seed in 0..6 {
        println!("REPRODUCE WITH seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let dir = tempfile::tempdir().unwrap();
        init(dir.path());
        let mut disk = reopen(dir.path()).unwrap();
        let mut store = disk.load().unwrap().unwrap();
        let mut memory = LStore::in_memory();
        let mut map = Map::default();
        let mut durable = map.clone();
        let mut snapshots: Vec<(LStore, Map)> = Vec::new();
        let mut moved = 0;
        let mut size = disk.stats().unwrap().map_bytes;

        for step in 0..3000 {
            let key = name(rng.usize(..200));
            match rng.usize(..100) {
                0..40 => {
                    let row = format!("{step}").repeat(rng.usize(..120));
                    store.put(key.clone(), row.clone());
                    memory.put(key.clone(), row.clone());
                    map.put(key, row);
                }
                40..52 => {
                    store.delete(&key);
                    memory.delete(&key);
                    map.delete(&key);
                }
                52..65 => assert_eq!(store.get(&key), map.get(&key), "step {step}"),
                65..73 => {
                    let other = name(rng.usize(..200));
                    let (low, high) = if key < other { (key, other) } else { (other, key) };
                    let bound = |key, kind| match kind {
                        0 => Unbounded,
                        1 => Included(key),
                        _ => Excluded(key),
                    };
                    let (from, to) = (bound(&low, rng.u8(..3)), bound(&high, rng.u8(..3)));
                    if !matches!((from, to), (Excluded(a), Excluded(b)) if a == b) {
                        let limit = rng.usize(..40);
                        let found = store.scan(from, to, limit);
                        assert_eq!(found, map.scan(from, to, limit), "step {step}");
                        assert_eq!(found, memory.scan(from, to, limit), "step {step}");
                        let keys: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
                        assert_eq!(store.keys(from, to, limit), keys, "step {step}");
                        assert_eq!(memory.keys(from, to, limit), keys, "step {step}");
                    }
                }
                73..82 => {
                    disk.commit(store.clone()).unwrap();
                    durable = map.clone();
                    let now = disk.stats().unwrap().map_bytes;
                    moved += usize::from(now > size && !snapshots.is_empty());
                    size = now;
                }
                82..90 => snapshots.push((store.clone(), map.clone())),
                90..94 => {
                    // A handler that writes to a copy; the copy is kept, and never saved.
                    let (mut fork, mut fork_map) = (store.clone(), map.clone());
                    for _ in 0..rng.usize(..4) {
                        let key = name(rng.usize(..200));
                        fork.put(key.clone(), "fork".to_string());
                        fork_map.put(key, "fork".to_string());
                    }
                    snapshots.push((fork, fork_map));
                }
                94..99 if !snapshots.is_empty() => {
                    let at = rng.usize(..snapshots.len());
                    let (mut old, mut old_map) = snapshots.swap_remove(at);
                    assert_eq!(everything(&old), everything(&old_map), "step {step}");
                    // It may be written to, however old it is.
                    old.put(key.clone(), "late".to_string());
                    old_map.put(key, "late".to_string());
                    assert_eq!(everything(&old), everything(&old_map), "step {step}");
                    if rng.bool() {
                        snapshots.push((old, old_map));
                    }
                }
                _ if rng.u8(..8) == 0 => {
                    drop((store, disk));
                    snapshots.clear();
                    disk = reopen(dir.path()).unwrap();
                    store = disk.load().unwrap().unwrap();
                    map = durable.clone();
                    memory = LStore::replay_from(store.position(), store.dump());
                    assert_eq!(everything(&store), everything(&map), "step {step}");
                }
                _ => {}
            }
            assert_eq!(store.position(), memory.position(), "step {step}");
            assert_eq!((hash(&store), &store), (hash(&memory), &memory), "step {step}");
            assert_eq!(format!("{store:?}"), format!("{memory:?}"));
        }
        assert!(moved > 0, "the map never moved under a snapshot");
        assert_eq!(everything(&store), everything(&map));
    }
}

#[test]
fn a_snapshot_does_not_see_later_commits() {
    let (_dir, mut disk) = fresh();
    let mut store = disk.store();
    store.put(name(1), "old".into());
    store.put(name(2), "stays".into());
    disk.commit(store.clone()).unwrap();
    let snapshot = disk.store();
    store.put(name(1), "new".into());
    store.delete(&name(2));
    store.put(name(3), "more".into());
    disk.commit(store.clone()).unwrap();
    let then = [(name(1), "old".to_string()), (name(2), "stays".to_string())];
    assert_eq!(everything(&snapshot), then);
    let now = [(name(1), "new".to_string()), (name(3), "more".to_string())];
    assert_eq!((everything(&disk.store()), everything(&store)), (now.to_vec(), now.to_vec()));
}

#[test]
fn a_dropped_copy_changes_nothing() {
    let (_dir, mut disk) = fresh();
    let mut store = disk.store();
    store.put(name(1), "a".into());
    disk.commit(store.clone()).unwrap();
    let before = store.clone();
    let mut copy = store.clone();
    copy.put(name(1), "b".into());
    copy.delete(&name(2));
    assert_ne!(copy, store);
    drop(copy);
    assert_eq!((hash(&store), &store), (hash(&before), &before));
    assert_eq!(store.get(&name(1)), Some("a".into()));
    disk.commit(store).unwrap();
    assert_eq!(disk.store().get(&name(1)), Some("a".into()));
}

#[test]
fn what_is_committed_leaves_memory() {
    let (_dir, mut disk) = fresh();
    let mut store = disk.store();
    for n in 0..2000 {
        store.put(name(n % 700), format!("{n}"));
        if n % 10 == 9 {
            // The next batch is computed while this one commits.
            let save = store.clone();
            store.put(name(1000), "meanwhile".into());
            disk.commit(save).unwrap();
        }
        assert!(store.held() <= 22, "{} writes are held after {n}", store.held());
        assert!(disk.stats().unwrap().snapshots <= 2);
    }
    assert_eq!(store.scan(Unbounded, Unbounded, 9999).len(), 701);
    disk.commit(store.clone()).unwrap();
    store.delete(&name(1000));
    assert_eq!(store.held(), 1);
}

#[test]
fn an_overlay_is_kept_until_its_commit_is_the_base() {
    let (_dir, mut disk) = fresh();
    let mut store = disk.store();
    store.put(name(1), "one".into());
    store.put(name(2), "two".into());
    let save = store.clone();
    store.put(name(1), "one again".into());
    assert_eq!(store.held(), 3);
    disk.commit(save).unwrap();
    assert_eq!(store.get(&name(1)), Some("one again".into()));
    store.put(name(3), "three".into());
    assert_eq!(store.held(), 2, "what is above the commit stays");
    assert_eq!(store.get(&name(1)), Some("one again".into()));
    assert_eq!(store.get(&name(2)), Some("two".into()));
    assert_eq!(disk.store().get(&name(1)), Some("one".into()));
}

#[test]
fn the_map_grows_under_readers() {
    let dir = tempfile::tempdir().unwrap();
    let options = LmdbOptions { map_size: 1 << 20, check: Check::Rows };
    LDisk::init(dir.path(), CLUSTER, "replica", options, |store| {
        for n in 0..500 {
            store.put(name(n), format!("first {n}"));
        }
    })
    .unwrap();
    let mut disk = reopen(dir.path()).unwrap();
    assert_eq!(disk.stats().unwrap().map_bytes, 1 << 20);
    let mut store = disk.store();
    let old = disk.store();
    let then = everything(&old);
    let done = AtomicBool::new(false);
    let passes = thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let (old, then, done) = (old.clone(), &then, &done);
                scope.spawn(move || {
                    let mut passes = 0;
                    while !done.load(Ordering::Relaxed) {
                        assert_eq!(&everything(&old), then);
                        assert_eq!(old.get(&name(499)), Some("first 499".into()));
                        assert_eq!(old.get(&name(501)), None);
                        passes += 1;
                    }
                    passes
                })
            })
            .collect();
        for round in 0..60 {
            for n in 0..120 {
                store.put(name((round * 120 + n) % 4000), format!("{round} {n} ").repeat(400));
            }
            store.delete(&name(round));
            disk.commit(store.clone()).unwrap();
        }
        // One batch that takes the map through several sizes.
        store.put(name(0), "x".repeat(12 << 20));
        disk.commit(store.clone()).unwrap();
        done.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).min()
    });
    assert!(passes > Some(2), "a reader saw nothing");
    assert!(disk.stats().unwrap().map_bytes >= 32 << 20);
    let now = everything(&store);
    drop((store, old, disk));
    assert_eq!(everything(&reopen(dir.path()).unwrap().store()), now);
}

#[test]
fn an_older_snapshot_survives_a_move_of_the_map_and_later_commits() {
    let (_dir, mut disk) = fresh();
    let mut store = disk.store();
    store.put(name(1), "then".into());
    disk.commit(store.clone()).unwrap();
    let (old, size) = (disk.store(), disk.stats().unwrap().map_bytes);
    store.put(name(1), "now".into());
    store.put(name(2), "now".into());
    disk.commit(store.clone()).unwrap();
    for move_of_the_map in 1..4 {
        store.put(name(10), "x".repeat(size as usize * (1 << move_of_the_map)));
        disk.commit(store.clone()).unwrap();
        assert!(disk.stats().unwrap().map_bytes > size << move_of_the_map);
        assert_eq!(everything(&old), [(name(1), "then".to_string())]);
        store.delete(&name(1));
        store.delete(&name(10));
        disk.commit(store.clone()).unwrap();
        assert_eq!(old.get(&name(1)), Some("then".into()));
    }
}

#[test]
fn only_descendants_of_the_last_save_are_committed() {
    let (_dir, mut disk) = fresh();
    let mut store = disk.store();
    store.put(name(1), "a".into());
    let mut fork = store.clone();
    store.put(name(2), "b".into());
    fork.put(name(2), "c".into());
    disk.commit(store.clone()).unwrap();
    fork.put(name(3), "d".into());
    assert_eq!(fork.get(&name(2)), Some("c".into()), "a fork keeps its own base and overlay");
    assert_eq!(fork.held(), 3);
    let refused = disk.commit(fork).unwrap_err();
    assert!(refused.to_string().contains("descend"), "{refused}");
    assert!(disk.commit(store).is_err(), "nothing is committed after an error");
}

#[test]
fn a_save_of_another_store_is_refused() {
    let (_dir, mut disk) = fresh();
    let (_other_dir, other) = fresh();
    let refused = disk.commit(other.store()).unwrap_err().to_string();
    assert!(refused.contains("another store"), "{refused}");
}

#[test]
fn a_replay_goes_through_the_same_positions() {
    let (_dir, mut disk) = fresh();
    let mut store = disk.store();
    store.put(name(1), "a".into());
    store.put(name(2), "b".into());
    disk.commit(store.clone()).unwrap();
    let (position, dump) = (store.position(), store.dump().collect::<Vec<_>>());
    let mut replayed = LStore::replay_from(position, dump.clone());
    assert_eq!(replayed, store);
    for store in [&mut store, &mut replayed] {
        store.put(name(1), "c".into());
        store.delete(&name(2));
    }
    assert_eq!(replayed, store);
    let writes = |store: &LStore| {
        let writes = store.writes_since(position.stamp);
        let writes = writes.map(|(key, row)| (key.to_vec(), row.map(<[u8]>::to_vec)));
        writes.collect::<Vec<_>>()
    };
    assert_eq!(writes(&store), writes(&replayed));
    assert_eq!(writes(&store).len(), 2);
    assert_eq!(writes(&store)[1], (b"k00002".to_vec(), None));
    replayed.put(name(3), "d".into());
    store.put(name(3), "e".into());
    assert_eq!(store.stamp(), replayed.stamp());
    assert_ne!(store, replayed, "the same number of other writes");
    let whole = dump.into_iter().collect::<BTreeMap<_, _>>();
    assert_eq!(whole.len(), 2);
    assert_eq!(LStore::in_memory().position(), Position::default());
}

#[test]
fn a_dump_is_whole_and_in_order_beyond_its_parts() {
    let (_dir, mut disk) = fresh();
    let mut store = disk.store();
    for n in 0..3000 {
        store.put(name(n), format!("{n}"));
    }
    disk.commit(store.clone()).unwrap();
    store.delete(&name(7));
    let keys: Vec<_> = store.dump().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), 2999);
    assert!(keys.is_sorted());
}

#[test]
fn a_scan_between_bounds_that_hold_nothing_is_empty() {
    let (_dir, disk) = fresh();
    let (low, high) = (name(1), name(2));
    for store in [disk.store(), LStore::in_memory()] {
        let scan = |from: Bound<&Name>, to: Bound<&Name>| store.scan(from, to, 9);
        assert_eq!(scan(Included(&high), Included(&low)), []);
        assert_eq!(scan(Excluded(&low), Excluded(&low)), []);
        assert_eq!(scan(Included(&low), Excluded(&low)), []);
    }
}

#[test]
fn a_key_that_the_disk_cannot_hold_ends_the_handler() {
    let (_dir, disk) = fresh();
    for length in [0, 512] {
        let mut store = disk.store();
        let key = Name("x".repeat(length));
        let failed = failure(|| store.put(key.clone(), String::new()));
        assert!(failed.to_string().contains("1 to 511"), "{failed}");
        failure(|| drop(store.get(&key)));
    }
    let mut store = disk.store();
    store.put(Name("x".repeat(511)), "fits".into());
    let mut disk = disk;
    disk.commit(store).unwrap();
}

#[test]
fn init_and_open_agree_on_identity_and_first_content() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("node/replica");
    let id = LDisk::init(&place, CLUSTER, "replica", SMALL, |store| {
        store.put(name(1), "a".into());
        store.put(name(1), "b".into());
        store.put(name(2), "c".into());
        store.delete(&name(2));
    })
    .unwrap();
    let files: Vec<_> =
        fs::read_dir(&place).unwrap().map(|file| file.unwrap().file_name()).collect();
    let ours = ["data.mdb", "newest", "owner.lock"];
    assert!(files.iter().all(|file| ours.iter().any(|name| file == name)), "{files:?}");
    let disk = reopen(&place).unwrap();
    assert_eq!(disk.identity(), id);
    assert_eq!(everything(&disk.store()), [(name(1), "b".to_string())]);
    drop(disk);

    let refused = LDisk::init(&place, CLUSTER, "replica", SMALL, |_| ()).unwrap_err();
    assert!(matches!(refused, DiskError::Exists { .. }), "{refused}");
    assert_eq!(reopen(&place).unwrap().identity(), id);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_ne!(init(elsewhere.path()), id);
}

#[test]
fn an_init_that_did_not_finish_left_no_store() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("init.tmp")).unwrap();
    fs::write(dir.path().join("init.tmp/data.mdb"), b"half").unwrap();
    assert!(matches!(reopen(dir.path()), Err(DiskError::Missing { .. })));
    init(dir.path());
    reopen(dir.path()).unwrap();
}

#[test]
fn a_missing_store_is_not_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let missing = refusal(&dir.path().join("nowhere"));
    assert!(missing.contains("bring back the disk") && missing.contains("init"), "{missing}");
    assert!(!dir.path().join("nowhere").exists(), "looking made it");
    init(dir.path());
    fs::remove_file(dir.path().join("data.mdb")).unwrap();
    assert!(refusal(dir.path()).contains("bring back the disk"));
    assert!(!dir.path().join("data.mdb").exists(), "looking made it");
}

#[test]
fn another_cluster_or_kind_is_refused() {
    let (dir, disk) = fresh();
    drop(disk);
    let refused = LDisk::open(dir.path(), 8, "replica", SMALL).unwrap_err().to_string();
    assert!(refused.contains("0x7") && refused.contains("0x8"), "{refused}");
    let refused = LDisk::open(dir.path(), CLUSTER, "gateway", SMALL).unwrap_err().to_string();
    assert!(refused.contains("gateway") && refused.contains("replica"), "{refused}");
    reopen(dir.path()).unwrap();
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let (dir, disk) = fresh();
    drop(disk);
    let data = dir.path().join("data.mdb");
    let whole = fs::read(&data).unwrap();
    for (bytes, says) in [
        (vec![], "0 bytes"),
        (b"garbage".to_vec(), "7 bytes"),
        (vec![b'x'; 100_000], "does not begin"),
        (vec![0; 100_000], "does not begin"),
    ] {
        fs::write(&data, &bytes).unwrap();
        let refused = refusal(dir.path());
        assert!(refused.contains(says) && refused.contains("bring back the disk"), "{refused}");
        assert_eq!(fs::read(&data).unwrap(), bytes, "a refused file was changed");
    }
    for (at, says) in [(20, "format"), (40, "a page has"), (16, "does not begin")] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&data, &bytes).unwrap();
        assert!(refusal(dir.path()).contains(says), "{}", refusal(dir.path()));
    }
    fs::write(&data, &whole).unwrap();
    reopen(dir.path()).unwrap();
}

/// Reading a page that is not in the file any more kills the process, so this test must not even
/// fail politely.
#[test]
fn a_truncated_file_is_refused() {
    let (dir, mut disk) = fresh();
    let mut store = disk.store();
    for n in 0..2000 {
        store.put(name(n), "x".repeat(200));
    }
    disk.commit(store.clone()).unwrap();
    let used = disk.stats().unwrap().used_bytes;
    let now = everything(&store);
    drop((store, disk));
    let data = dir.path().join("data.mdb");
    let whole = fs::read(&data).unwrap();
    assert!(used < whole.len() as u64);
    for length in [1, 43, 44, 4095, 4096, 8191, 8192, 12288, used / 2, used - 4096, used - 1] {
        fs::write(&data, &whole[..length as usize]).unwrap();
        let refused = refusal(dir.path());
        assert!(refused.contains("damaged"), "{length}: {refused}");
        assert!(length < 8192 || refused.contains("truncated"), "{length}: {refused}");
        assert_eq!(fs::metadata(&data).unwrap().len(), length, "a refused file was changed");
    }
    // Nothing is behind the last page in use: a copy may end there.
    fs::write(&data, &whole[..used as usize]).unwrap();
    let disk = reopen(dir.path()).unwrap();
    assert_eq!(everything(&disk.store()), now);
    assert_eq!(fs::metadata(&data).unwrap().len(), disk.stats().unwrap().map_bytes);
}

#[test]
fn a_file_is_as_long_as_its_map() {
    let (dir, mut disk) = fresh();
    let mut store = disk.store();
    for round in 0..5 {
        let stats = disk.stats().unwrap();
        let length = fs::metadata(dir.path().join("data.mdb")).unwrap().len();
        assert!(length == stats.map_bytes && stats.used_bytes <= length);
        store.put(name(round), "x".repeat(64 << 10 << round));
        disk.commit(store.clone()).unwrap();
    }
}

#[test]
fn a_flipped_bit_is_found_at_open_and_at_the_read() {
    let (dir, mut disk) = fresh();
    let mut store = disk.store();
    store.put(name(1), "a needle in the hay".into());
    store.put(name(2), "whole".into());
    disk.commit(store.clone()).unwrap();
    drop((store, disk));
    let data = dir.path().join("data.mdb");
    let mut bytes = fs::read(&data).unwrap();
    let at: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"needle")).collect();
    assert!(!at.is_empty());
    at.iter().for_each(|&at| bytes[at] ^= 1);
    fs::write(&data, bytes).unwrap();
    let refused = refusal(dir.path());
    assert!(refused.contains("checksum") && refused.contains("damaged"), "{refused}");

    let unchecked = LmdbOptions { check: Check::Identity, ..SMALL };
    let disk = LDisk::open(dir.path(), CLUSTER, "replica", unchecked).unwrap();
    let store = disk.store();
    assert_eq!(store.get(&name(2)), Some("whole".into()));
    let failed = failure(|| drop(store.get(&name(1))));
    assert!(failed.why.contains("checksum"), "{failed}");
    failure(|| drop(everything(&store)));
    assert_eq!(store.get(&name(2)), Some("whole".into()), "a failed read broke the handle");
}

#[test]
fn a_row_of_another_type_is_found_at_open() {
    let (dir, mut disk) = fresh();
    let mut store = disk.store();
    store.put(name(1), "five".into());
    disk.commit(store.clone()).unwrap();
    drop((store, disk));
    let other = LmdbDisk::<Name, (u64, u64, String)>::open(dir.path(), CLUSTER, "replica", SMALL);
    let refused = other.unwrap_err().to_string();
    assert!(refused.contains("k00001") && refused.contains("unreadable"), "{refused}");
}

#[test]
fn a_store_has_one_owner() {
    let (dir, disk) = fresh();
    let refused = refusal(dir.path());
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    assert!(LDisk::init(dir.path(), CLUSTER, "replica", SMALL, |_| ()).is_err());
    let handle = disk.store();
    drop(disk);
    assert!(reopen(dir.path()).is_err(), "a handle still reads the file");
    drop(handle);
    reopen(dir.path()).unwrap();
}

/// A lock that any process can delete is not all that guards a store.
#[test]
fn a_store_has_one_owner_without_its_lock_file_too() {
    let (dir, disk) = fresh();
    fs::remove_file(dir.path().join("owner.lock")).unwrap();
    let refused = refusal(dir.path());
    assert!(refused.contains("has it open"), "{refused}");
    fs::remove_file(dir.path().join("owner.lock")).unwrap();
    let init = LDisk::init(dir.path(), CLUSTER, "replica", SMALL, |_| ());
    assert!(matches!(init, Err(DiskError::Exists { .. })));
    drop(disk);
    reopen(dir.path()).unwrap();
}

/// What is committed to a file that no start will find is not committed.
#[test]
fn a_store_that_was_taken_away_commits_nothing() {
    for taken in ["removed", "moved", "replaced"] {
        let (dir, mut disk) = fresh();
        let mut store = disk.store();
        store.put(name(1), "a".into());
        disk.commit(store.clone()).unwrap();
        disk.tend().unwrap();
        let (data, other) = (dir.path().join("data.mdb"), dir.path().join("other"));
        match taken {
            "removed" => fs::remove_file(&data).unwrap(),
            "moved" => fs::rename(&data, &other).unwrap(),
            _ => {
                fs::copy(&data, &other).unwrap();
                fs::rename(&other, &data).unwrap();
            }
        }
        let gone = disk.tend().unwrap_err().to_string();
        assert!(gone.contains("not at its place"), "{gone}");
        store.put(name(1), "b".into());
        let gone = disk.commit(store.clone()).unwrap_err();
        assert!(matches!(gone, DiskError::Gone { .. }), "{taken}: {gone}");
        store.put(name(1), "c".into());
        assert!(disk.commit(store).is_err(), "{taken}: it went on");
    }
}

#[test]
fn another_process_is_refused_while_the_first_lives() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let mut child = Child::start(dir.path());
    child.line();
    let refused = refusal(dir.path());
    assert!(refused.contains(&format!("process {}", child.0.id())), "{refused}");
    child.kill();
    reopen(dir.path()).unwrap();
}

/// The page cache outlives the process, so this shows that a commit is whole, not that it is
/// synced. `store_power_cut` shows that.
#[test]
fn what_a_killed_process_reported_is_there() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let mut reported = 0;
    for round in 0..4 {
        let mut child = Child::start(dir.path());
        for _ in 0..40 + 13 * round {
            reported = child.line();
        }
        child.kill();
        let disk = reopen(dir.path()).unwrap();
        let rows = everything(&disk.store());
        assert!(rows.len() > reported, "{reported} was reported, {} are there", rows.len());
        for (n, (key, row)) in rows.iter().enumerate() {
            assert_eq!((key, row), (&name(n), &format!("{n} ").repeat(300)));
        }
    }
}

/// A process that commits, reports, and goes on until it is killed.
struct Child(std::process::Child, BufReader<std::process::ChildStdout>);

impl Child {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_commits_until_it_is_killed", "--ignored", "--nocapture"])
            .env("STORE_DIR", dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Child(child, out)
    }

    /// The next number that it reported.
    fn line(&mut self) -> usize {
        let mut lines = (&mut self.1).lines().map(Result::unwrap);
        let line = lines.find_map(|line| line.strip_prefix("committed ").map(str::to_string));
        line.expect("the child ended by itself").parse().unwrap()
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
#[ignore = "the child of other tests"]
fn child_commits_until_it_is_killed() {
    let Some(dir) = std::env::var_os("STORE_DIR") else {
        return;
    };
    let mut disk = reopen(Path::new(&dir)).unwrap();
    let mut store = disk.store();
    for n in everything(&store).len().. {
        store.put(name(n), format!("{n} ").repeat(300));
        disk.commit(store.clone()).unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "committed {n}").and_then(|()| out.flush()).unwrap();
    }
}

#[test]
fn a_handle_can_move_to_the_commit_thread() {
    fn sendable<T: Send + Sync>(_: &T) {}
    let (dir, disk) = fresh();
    sendable(&disk.store());
    let store = disk.store();
    let mut disk = disk;
    let committer = thread::spawn(move || {
        let mut store = store;
        store.put(name(1), "a".into());
        disk.commit(store).unwrap();
    });
    committer.join().unwrap();
    assert_eq!(reopen(dir.path()).unwrap().store().get(&name(1)), Some("a".into()));
    File::open(dir.path().join("owner.lock")).unwrap();
}
