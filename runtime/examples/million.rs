//! What a store of millions of rows costs: start-up, memory, reads and commits.
//!
//! ```text
//! cargo run --release -p chainring-runtime --example million -- [rows] [directory]
//! ```
//!
//! Fills a new store with rows of 100 bytes (two million, unless told otherwise), opens it again in
//! this process, and prints figures. "Anonymous memory" is what the process holds apart from the
//! file's own pages.

use std::error::Error;
use std::ops::Bound::{Excluded, Unbounded};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chainring_runtime::disk::Disk;
use chainring_runtime::store::{Check, LmdbDisk, LmdbOptions};
use chainring_store::{OrderedKey, Store};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64);

impl OrderedKey for Key {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Key(u64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

type Rows = LmdbDisk<Key, Vec<u8>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let rows: u64 = args.next().map_or(Ok(2_000_000), |rows| rows.parse())?;
    let base = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(base)?;
    let dir = dir.path();
    let quick = LmdbOptions { check: Check::Identity, ..LmdbOptions::default() };
    Rows::init(dir, 1, "replica", quick, |_| ())?;
    println!("anonymous memory before: {} KiB", anonymous()?);

    let start = Instant::now();
    let mut disk = Rows::open(dir, 1, "replica", quick)?;
    let mut store = disk.store();
    for n in 0..rows {
        store.put(Key(n), row(n));
        if n % 10_000 == 9_999 {
            disk.commit(store.clone())?;
        }
    }
    disk.commit(store.clone())?;
    println!("fill, 10,000 rows a commit: {:.1?}", start.elapsed());
    println!("anonymous memory after filling: {} KiB", anonymous()?);
    drop((store, disk));

    for (label, options) in [("quick", quick), ("every row checked", LmdbOptions::default())] {
        let start = Instant::now();
        let disk = Rows::open(dir, 1, "replica", options)?;
        let stats = disk.stats()?;
        println!(
            "open of {} rows, {label}: {:.1?}; anonymous memory {} KiB, file {} MiB in use",
            stats.rows,
            start.elapsed(),
            anonymous()?,
            stats.used_bytes >> 20
        );
    }

    let mut disk = Rows::open(dir, 1, "replica", quick)?;
    let mut store = disk.store();
    let mut rng = fastrand::Rng::with_seed(1);
    let times = (0..200_000).map(|_| {
        let n = rng.u64(..rows);
        let start = Instant::now();
        assert_eq!(store.get(&Key(n)).map(|row| row.len()), Some(100));
        start.elapsed()
    });
    report("get, from the map", times.collect());

    let start = Instant::now();
    let (mut scanned, mut last) = (0, None);
    loop {
        let from = last.as_ref().map_or(Unbounded, Excluded);
        let part = store.scan(from, Unbounded, 1000);
        let Some((key, _)) = part.last() else { break };
        last = Some(key.clone());
        scanned += part.len();
    }
    println!("scan of {scanned} rows, 1,000 at a time: {:.1?}", start.elapsed());

    for batch in [1, 100] {
        let mut times = Vec::new();
        for _ in 0..300 {
            for _ in 0..batch {
                store.put(Key(rng.u64(..rows)), row(rng.u64(..)));
            }
            let save = store.clone();
            let start = Instant::now();
            disk.commit(save)?;
            times.push(start.elapsed());
        }
        report(&format!("commit of {batch} puts"), times);
    }
    let times = (0..100).map(|n| sync(dir, n)).collect::<Result<_, _>>()?;
    report("for comparison: 4 KiB written to a file and fdatasync", times);
    println!("anonymous memory at the end: {} KiB", anonymous()?);
    Ok(())
}

fn row(n: u64) -> Vec<u8> {
    n.to_le_bytes().repeat(13)[..100].to_vec()
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[times.len() * percent / 100];
    println!("{what}: median {:.1?}, 90% {:.1?}, 99% {:.1?}", at(50), at(90), at(99));
}

fn sync(dir: &Path, n: u64) -> std::io::Result<Duration> {
    use std::os::unix::fs::FileExt;
    let path = dir.join("compare");
    let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    let start = Instant::now();
    file.write_all_at(&[n as u8; 4096], n * 4096)?;
    file.sync_data()?;
    Ok(start.elapsed())
}

/// This process's anonymous memory in KiB, as Linux tells it.
fn anonymous() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no RssAnon in /proc/self/status")?.parse()?)
}
