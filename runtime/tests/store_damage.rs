//! Damage to a store's file, of every kind that a disk may do: never a wrong answer, and never a
//! signal.
//!
//! A child process does the damage and opens what is left, case by case, so that the end of a
//! process by a signal is seen. A store is refused, with a sentence that names the place, or it
//! holds exactly what its newest commit left: then the damage is in room that nothing uses.
//!
//! `DAMAGE_CASES=20000 DAMAGE_SEED=7 cargo test --release -p chainring-runtime --test store_damage`
//! does more of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Bound::Unbounded;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use chainring_runtime::disk::{Disk, DiskError};
use chainring_runtime::store::{Check, LmdbDisk, LmdbOptions};
use chainring_store::{OrderedKey, Store};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, EnvOpenOptions};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u32);

impl OrderedKey for Key {
    fn to_bytes(&self) -> Vec<u8> {
        // Of several lengths.
        format!("{:08}{}", self.0, "k".repeat(self.0 as usize % 60)).into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Key(str::from_utf8(bytes.get(..8)?).ok()?.parse().ok()?))
    }
}

type Rows = BTreeMap<Key, String>;
type TheDisk = LmdbDisk<Key, String>;

const PAGE: usize = 4096;
/// What lies at the beginning of a page: its header, and where its first entries are.
const HEAD: usize = 64;
/// Where the fields of a meta page end.
const META: usize = 152;
const MOST_KEYS: u32 = 2600;

fn open(dir: &Path) -> Result<TheDisk, DiskError> {
    let options = LmdbOptions { check: Check::Rows, ..LmdbOptions::default() };
    TheDisk::open(dir, 1, "replica", options)
}

fn rows(disk: &TheDisk) -> Rows {
    disk.store().scan(Unbounded, Unbounded, usize::MAX).into_iter().collect()
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A store with a tree of three levels, large values of their own pages, and free pages of many
/// commits.
struct Made {
    /// The file.
    image: Vec<u8>,
    /// The same, before the last commit.
    before: Vec<u8>,
    /// How many of its pages are in use.
    pages: usize,
    rows: Rows,
}

fn make(dir: &Path, seed: u64) -> Made {
    let mut rng = fastrand::Rng::with_seed(seed);
    let options = LmdbOptions { map_size: 1 << 20, check: Check::Rows };
    TheDisk::init(dir, 1, "replica", options, |store| {
        for n in 0..MOST_KEYS {
            store.put(Key(n), "first ".repeat(n as usize % 20));
        }
    })
    .unwrap();
    let mut disk = open(dir).unwrap();
    let (mut store, mut before) = (disk.store(), Vec::new());
    let data = dir.join("data.mdb");
    for commit in 0..30 {
        before = fs::read(&data).unwrap();
        for _ in 0..40 {
            let key = Key(rng.u32(..MOST_KEYS));
            match rng.u32(..10) {
                0..3 => store.delete(&key),
                3 => store.put(key, format!("{commit} ").repeat(rng.usize(..6000))),
                _ => store.put(key, format!("{commit} ").repeat(rng.usize(..60))),
            }
        }
        disk.commit(store.clone()).unwrap();
    }
    let pages = disk.stats().unwrap().used_bytes as usize / PAGE;
    let (image, rows) = (fs::read(&data).unwrap(), rows(&disk));
    before.resize(image.len(), 0);
    Made { image, before, pages, rows }
}

/// What was done to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// When a bit is flipped: of this byte.
    Bit(usize, u8),
    /// When a page is full of zeros.
    Zero(usize),
    /// When a page is full of noise.
    Noise(usize),
    /// When two pages have changed places.
    Swap(usize, usize),
    /// When the file ends before this page.
    Cut(usize),
    /// When a page is as it was before the last commit.
    Lost(usize),
}

impl Damage {
    /// The bytes that it changes, and where.
    fn changes(self, made: &Made) -> Vec<(usize, Vec<u8>)> {
        let page = |number: usize| &made.image[number * PAGE..(number + 1) * PAGE];
        match self {
            Damage::Bit(at, bit) => vec![(at, vec![made.image[at] ^ 1 << bit])],
            Damage::Zero(number) => vec![(number * PAGE, vec![0; PAGE])],
            Damage::Noise(number) => {
                let (mut noise, mut rng) = (vec![0; PAGE], fastrand::Rng::with_seed(number as u64));
                rng.fill(&mut noise);
                vec![(number * PAGE, noise)]
            }
            Damage::Swap(one, other) => {
                vec![(one * PAGE, page(other).to_vec()), (other * PAGE, page(one).to_vec())]
            }
            Damage::Lost(number) => {
                let at = number * PAGE;
                vec![(at, made.before[at..at + PAGE].to_vec())]
            }
            Damage::Cut(_) => vec![],
        }
    }

    /// Changes the bytes of a file that is whole.
    fn apply(self, made: &Made, file: &File) {
        for (at, bytes) in self.changes(made) {
            file.write_all_at(&bytes, at as u64).unwrap();
        }
        if let Damage::Cut(number) = self {
            file.set_len((number * PAGE) as u64).unwrap();
        }
    }

    /// Makes the file whole again, if nothing else was written to it.
    fn mend(self, made: &Made, file: &File) {
        for (at, bytes) in self.changes(made) {
            file.write_all_at(&made.image[at..at + bytes.len()], at as u64).unwrap();
        }
        if let Damage::Cut(_) = self {
            file.write_all_at(&made.image, 0).unwrap();
        }
    }
}

/// All damage of a run.
fn damages(made: &Made, cases: usize, seed: u64) -> Vec<Damage> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let pages = made.pages;
    let mut all = Vec::new();
    for meta in 0..2 {
        let bits = (0..META * 8).map(|bit| Damage::Bit(meta * PAGE + bit / 8, bit as u8 % 8));
        all.extend(bits);
        all.extend([Damage::Zero(meta), Damage::Noise(meta), Damage::Lost(meta)]);
    }
    all.push(Damage::Swap(0, 1));
    all.extend((0..pages).step_by(pages.div_ceil(cases).max(1)).map(Damage::Cut));
    for _ in 0..cases {
        all.push(Damage::Bit(rng.usize(..pages * PAGE), rng.u8(..8)));
        all.push(Damage::Bit(rng.usize(..pages) * PAGE + rng.usize(..HEAD), rng.u8(..8)));
        all.push(match rng.u8(..4) {
            0 => Damage::Zero(rng.usize(..pages)),
            1 => Damage::Noise(rng.usize(..pages)),
            2 => Damage::Swap(rng.usize(..pages), rng.usize(..pages)),
            _ => Damage::Lost(rng.usize(..pages)),
        });
    }
    all
}

/// Whether a store answers as it should, to scans and to every single key, and takes writes.
fn is_right(dir: &Path, mut disk: TheDisk, mut expected: Rows, writes: bool) -> Result<(), String> {
    if rows(&disk) != expected {
        return Err("a scan is wrong".to_string());
    }
    let mut store = disk.store();
    for n in 0..MOST_KEYS {
        if store.get(&Key(n)) != expected.get(&Key(n)).cloned() {
            return Err(format!("key {n} is wrong"));
        }
    }
    if !writes {
        return Ok(());
    }
    for n in (0..MOST_KEYS).step_by(100) {
        store.put(Key(n), "later".repeat(n as usize));
        expected.insert(Key(n), "later".repeat(n as usize));
    }
    disk.commit(store.clone()).map_err(|why| format!("it takes no write: {why}"))?;
    drop((store, disk));
    let again = open(dir).map_err(|why| format!("it does not open again: {why}"))?;
    if rows(&again) == expected { Ok(()) } else { Err("later writes are wrong".to_string()) }
}

/// Opens a damaged file; whether it was refused.
fn try_one(dir: &Path, made: &Made, damage: Damage, writes: bool) -> Result<bool, String> {
    let data = File::options().write(true).open(dir.join("data.mdb")).unwrap();
    damage.apply(made, &data);
    let newest = fs::read(dir.join("newest")).unwrap();
    let tried = match open(dir) {
        Ok(disk) => is_right(dir, disk, made.rows.clone(), writes).map(|()| false),
        Err(refused @ (DiskError::Damaged { .. } | DiskError::Foreign { .. })) => {
            let said = refused.to_string();
            if said.len() > 60 { Ok(true) } else { Err(format!("it says only {said}")) }
        }
        Err(other) => Err(format!("it is refused for another reason: {other}")),
    };
    if writes && !matches!(tried, Ok(true)) {
        data.set_len(0).unwrap();
        data.write_all_at(&made.image, 0).unwrap();
        fs::write(dir.join("newest"), newest).unwrap();
    } else {
        damage.mend(made, &data);
    }
    tried
}

#[test]
#[ignore = "the child of another test"]
fn child_opens_what_is_damaged() {
    let Some(dir) = std::env::var_os("DAMAGE_DIR") else { return };
    let (cases, seed) = (setting("DAMAGE_CASES", 60), setting("DAMAGE_SEED", 1));
    let dir = Path::new(&dir);
    let made = make(dir, seed);
    println!("a file of {} pages", made.pages);
    let (mut tried, mut refused, mut wrong) = (0, 0, 0);
    let progress = File::create(dir.join("progress")).unwrap();
    for damage in damages(&made, cases as usize, seed) {
        progress.write_all_at(format!("{damage:<60?}").as_bytes(), 0).unwrap();
        tried += 1;
        // Writing costs syncs.
        match try_one(dir, &made, damage, tried % 16 == 0) {
            Ok(was_refused) => refused += usize::from(was_refused),
            Err(why) => {
                wrong += 1;
                println!("WRONG: {damage:?}: {why}");
            }
        }
    }
    println!("{tried} tried, {refused} refused, {} right, {wrong} wrong", tried - refused - wrong);
    assert_eq!(wrong, 0);
}

#[test]
fn damage_is_refused_or_makes_no_difference() {
    let dir = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_opens_what_is_damaged", "--ignored", "--nocapture"])
        .env("DAMAGE_DIR", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let last = fs::read_to_string(dir.path().join("progress")).unwrap_or_default();
    let errors = String::from_utf8_lossy(&child.stderr);
    println!("{said}");
    assert!(child.status.success(), "{}, at {last}; {said} {errors}", child.status);
    assert!(said.contains(" 0 wrong"), "{said}");
}

/// What is whole opens, whatever was done to it before: a check that refuses is of no use if it
/// refuses good stores.
#[test]
fn whole_stores_of_many_shapes_are_opened() {
    for seed in 0..setting("DAMAGE_SHAPES", 4) {
        println!("REPRODUCE WITH seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let dir = tempfile::tempdir().unwrap();
        let options = LmdbOptions { map_size: 64 << 10, check: Check::Rows };
        TheDisk::init(dir.path(), 1, "replica", options, |_| ()).unwrap();
        let mut expected = Rows::new();
        let (most, longest) = (1 + rng.u32(..3000), 1 + rng.usize(..5000));
        for _ in 0..6 {
            let mut disk = open(dir.path()).unwrap();
            let mut store = disk.store();
            assert_eq!(rows(&disk), expected);
            for _ in 0..1 + rng.usize(..6) {
                for _ in 0..rng.u32(..1 + most) {
                    let key = Key(rng.u32(..most));
                    if rng.u32(..5) < 2 {
                        store.delete(&key);
                        expected.remove(&key);
                    } else {
                        let row = "r".repeat(rng.usize(..longest));
                        store.put(key.clone(), row.clone());
                        expected.insert(key, row);
                    }
                }
                disk.commit(store.clone()).unwrap();
            }
            if rng.u32(..4) == 0 {
                for key in std::mem::take(&mut expected).into_keys() {
                    store.delete(&key);
                }
                disk.commit(store.clone()).unwrap();
            }
        }
        assert_eq!(rows(&open(dir.path()).unwrap()), expected);
    }
}

/// The write of the newest meta page is lost, and nothing in the file says so. The file beside it
/// does.
#[test]
fn a_store_that_has_lost_its_newest_commit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let made = make(dir.path(), 3);
    let data = dir.path().join("data.mdb");
    let newest = fs::read(dir.path().join("newest")).unwrap();
    fs::write(&data, &made.before).unwrap();
    let refused = open(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("31") && refused.contains("30"), "{refused}");
    assert!(refused.contains("commits are lost"), "{refused}");

    // That file itself is not taken on trust.
    let mut other = newest.clone();
    other[24] ^= 1;
    fs::write(&data, &made.image).unwrap();
    fs::write(dir.path().join("newest"), other).unwrap();
    let refused = open(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("remove that file"), "{refused}");

    // Without it a store is opened, and has it again. An older number is what a power cut may
    // leave.
    fs::remove_file(dir.path().join("newest")).unwrap();
    drop(open(dir.path()).unwrap());
    assert_eq!(fs::read(dir.path().join("newest")).unwrap(), newest);
    fs::write(&data, &made.before).unwrap();
    fs::remove_file(dir.path().join("newest")).unwrap();
    drop(open(dir.path()).unwrap());
    fs::write(&data, &made.image).unwrap();
    assert_eq!(rows(&open(dir.path()).unwrap()), made.rows);
}

/// A store of the version before, whose commits say nothing of themselves.
fn make_old(dir: &Path, content: &Rows) {
    // SAFETY: nothing else knows of this directory.
    #[allow(unsafe_code)]
    let env = unsafe { EnvOpenOptions::new().max_dbs(2).map_size(8 << 20).open(dir) }.unwrap();
    let made = env.create_databases_and_commit(env.write_txn().unwrap(), |opener, txn| {
        let rows: Database<'_, Bytes, Bytes> = opener.create_database(txn, Some("rows"))?;
        let about: Database<'_, Bytes, Bytes> = opener.create_database(txn, Some("about"))?;
        for (key, row) in content {
            let (key, mut value) = (key.to_bytes(), chainring_runtime::codec::encode(row).unwrap());
            let mut seal = crc32fast::Hasher::new();
            seal.update(&(key.len() as u16).to_le_bytes());
            seal.update(&key);
            seal.update(&[1]);
            seal.update(&value);
            value.extend(seal.finalize().to_le_bytes());
            rows.put(txn, &key, &value)?;
        }
        let mut says = 1_u32.to_le_bytes().to_vec();
        says.extend(7_u128.to_le_bytes());
        says.extend(1_u64.to_le_bytes());
        says.extend(b"replica");
        says.extend(crc32fast::hash(&says).to_le_bytes());
        about.put(txn, b"identity", &says)?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(()))
    });
    assert!(made.is_ok());
}

#[test]
fn a_store_of_the_version_before_is_opened_and_is_new_after_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let content: Rows = (0..900).map(|n| (Key(n), "old ".repeat(n as usize))).collect();
    make_old(dir.path(), &content);
    let data = dir.path().join("data.mdb");
    let old = fs::read(&data).unwrap();
    let mut disk = open(dir.path()).unwrap();
    assert_eq!((rows(&disk), disk.identity().0), (content.clone(), 7));
    assert_eq!(fs::read(&data).unwrap()[..old.len()], old, "looking changed it");

    // Its pages are checked all the same.
    let mut store = disk.store();
    store.put(Key(5), "new".into());
    disk.commit(store.clone()).unwrap();
    let now = rows(&disk);
    drop((store, disk));
    let new = fs::read(&data).unwrap();
    let mut bad = old.clone();
    bad[7 * PAGE + 8 + 2] ^= 1;
    fs::write(&data, &bad).unwrap();
    fs::remove_file(dir.path().join("newest")).unwrap();
    let refused = open(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("page 7"), "{refused}");

    // From its first commit on it has records, and cannot do without.
    fs::write(&data, &new).unwrap();
    assert_eq!(rows(&open(dir.path()).unwrap()), now);
    let record = new.windows(6).position(|bytes| bytes == b"digest").unwrap();
    let mut bad = new.clone();
    bad[record] ^= 1;
    fs::write(&data, &bad).unwrap();
    open(dir.path()).unwrap_err();
}
