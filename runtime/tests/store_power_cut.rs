//! The plug is pulled at every write and every sync of the store.
//!
//! A killed process leaves its page cache behind, so killing shows nothing about syncs. Here the
//! calls by which LMDB writes and syncs are replaced, in this program, by ones that also note what
//! they did. From the notes the test makes every file that a power cut could have left: what was
//! synced is there; of what was not, nothing, everything, or any sectors of it. Each such file is
//! opened, and must hold the last commit that had returned, or the one under way.
//!
//! The control leaves out the syncs, and must find a broken store.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::fs::{self, File};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{io, slice};

use chainring_runtime::disk::Disk;
use chainring_runtime::store::{Check, LmdbDisk, LmdbOptions};
use chainring_store::{OrderedKey, Store};
use rustix::fs::OFlags;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u32);

impl OrderedKey for Key {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Key(u32::from_be_bytes(bytes.try_into().ok()?)))
    }
}

type CutDisk = LmdbDisk<Key, String>;
type Content = BTreeMap<Key, String>;

const OPTIONS: LmdbOptions = LmdbOptions { map_size: 256 << 10, check: Check::Rows };

/// What happened to the file that is watched.
#[derive(Clone, Debug)]
enum Event {
    /// When bytes were written; `through` if the call returned only when they were durable.
    Write { at: u64, bytes: Vec<u8>, through: bool },
    /// When everything written before became durable.
    Sync,
    /// When a commit returned; the number of the state that it made durable.
    Returned(usize),
}

#[derive(Default)]
struct Watch {
    /// The inode of the file.
    file: Option<u64>,
    events: Vec<Event>,
    /// The error that the next sync of the file returns.
    fail_sync: Option<rustix::io::Errno>,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch { file: None, events: Vec::new(), fail_sync: None });

/// One test at a time: there is one watch.
static TURN: Mutex<()> = Mutex::new(());

fn watch() -> MutexGuard<'static, Watch> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    fn sees(&self, fd: BorrowedFd<'_>) -> bool {
        self.file.is_some() && rustix::fs::fstat(fd).ok().map(|about| about.st_ino) == self.file
    }
}

/// The calls that LMDB makes, as the linker finds them before those of the C library.
#[allow(unsafe_code)]
mod calls {
    use super::*;

    unsafe extern "C" {
        fn __errno_location() -> *mut c_int;
    }

    fn answer<T: Default>(result: rustix::io::Result<T>, number: impl Fn(T) -> isize) -> isize {
        match result {
            Ok(value) => number(value),
            Err(why) => {
                // SAFETY: the C library gives each thread a place for its last error, valid as long
                // as the thread.
                unsafe { *__errno_location() = why.raw_os_error() };
                -1
            }
        }
    }

    fn write(fd: c_int, bytes: &[u8], at: u64) -> isize {
        // SAFETY: the descriptor is the caller's, open for the duration of its call.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let result = rustix::io::pwrite(fd, bytes, at);
        if let Ok(length) = result {
            note(fd, &bytes[..length], at);
        }
        answer(result, |length| length as isize)
    }

    fn note(fd: BorrowedFd<'_>, bytes: &[u8], at: u64) {
        // Linux's number; the constant of the same name in rustix asks for more than this.
        const O_DSYNC: u32 = 0o10000;
        let mut watch = watch();
        if watch.sees(fd) {
            let flags = rustix::fs::fcntl_getfl(fd).unwrap_or(OFlags::empty());
            let through = flags.bits() & O_DSYNC != 0;
            let bytes = bytes.to_vec();
            watch.events.push(Event::Write { at, bytes, through });
        }
    }

    #[repr(C)]
    struct Part {
        from: *const c_void,
        length: usize,
    }

    /// # Safety
    ///
    /// As in POSIX.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn pwrite64(fd: c_int, from: *const c_void, n: usize, at: i64) -> isize {
        // SAFETY: the caller of `pwrite` says that there are `n` bytes.
        write(fd, unsafe { slice::from_raw_parts(from.cast(), n) }, at as u64)
    }

    /// # Safety
    ///
    /// As in POSIX.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn pwrite(fd: c_int, from: *const c_void, n: usize, at: i64) -> isize {
        // SAFETY: as above.
        unsafe { pwrite64(fd, from, n, at) }
    }

    /// # Safety
    ///
    /// As in POSIX. LMDB seeks and calls this for pages that follow each other.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn writev(fd: c_int, parts: *const Part, n: c_int) -> isize {
        // SAFETY: the caller says that there are `n` parts, each of as many bytes as it says; the
        // descriptor is its own.
        let (parts, file) =
            unsafe { (slice::from_raw_parts(parts, n as usize), BorrowedFd::borrow_raw(fd)) };
        let parts = parts.iter().map(|part| {
            // SAFETY: as above.
            unsafe { slice::from_raw_parts(part.from.cast::<u8>(), part.length) }
        });
        let parts: Vec<_> = parts.map(std::io::IoSlice::new).collect();
        let at = rustix::fs::tell(file);
        let result = rustix::io::writev(file, &parts);
        if let (Ok(at), Ok(length)) = (at, result) {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter()).copied().collect();
            note(file, &bytes[..length], at);
        }
        answer(result, |length| length as isize)
    }

    #[unsafe(no_mangle)]
    extern "C" fn fdatasync(fd: c_int) -> c_int {
        // SAFETY: the descriptor is the caller's, open for the duration of its call.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let mut watch = watch();
        let mut result = rustix::fs::fdatasync(fd);
        if watch.sees(fd) {
            match watch.fail_sync.take() {
                Some(why) => result = Err(why),
                None => watch.events.push(Event::Sync),
            }
        }
        answer(result, |()| 0) as c_int
    }
}

fn open(dir: &Path) -> Result<CutDisk, chainring_runtime::disk::DiskError> {
    CutDisk::open(dir, 1, "replica", OPTIONS)
}

fn content(disk: &CutDisk) -> Content {
    let rows =
        disk.store().scan(std::ops::Bound::Unbounded, std::ops::Bound::Unbounded, usize::MAX);
    rows.into_iter().collect()
}

fn start_watching(dir: &Path) {
    let about = rustix::fs::stat(dir.join("data.mdb")).unwrap();
    let mut watch = watch();
    watch.file = Some(about.st_ino);
    watch.events.clear();
}

/// The files before commits: the store, and what says which commit is its newest.
struct Before {
    data: Vec<u8>,
    newest: Vec<u8>,
}

/// Runs commits under watch: the files before them, what happened, and the content after each.
fn history(commits: u32) -> (Before, Vec<Event>, Vec<Content>) {
    let dir = tempfile::tempdir().unwrap();
    CutDisk::init(dir.path(), 1, "replica", OPTIONS, |store| {
        for n in 0..50 {
            store.put(Key(n), "first".repeat(20));
        }
    })
    .unwrap();
    let mut disk = open(dir.path()).unwrap();
    let read = |name| fs::read(dir.path().join(name)).unwrap();
    let before = Before { data: read("data.mdb"), newest: read("newest") };
    let mut states = vec![content(&disk)];
    start_watching(dir.path());
    let mut rng = fastrand::Rng::with_seed(42);
    let mut store = disk.store();
    for commit in 0..commits {
        for _ in 0..1 + rng.u32(..12) {
            match rng.u32(..4) {
                0 => store.delete(&Key(rng.u32(..120))),
                // Some rows take pages of their own.
                _ => store.put(Key(rng.u32(..120)), format!("{commit} ").repeat(rng.usize(..1500))),
            }
        }
        disk.commit(store.clone()).unwrap();
        states.push(content(&disk));
        watch().events.push(Event::Returned(states.len() - 1));
    }
    let grown = disk.stats().unwrap().map_bytes > OPTIONS.map_size as u64;
    assert!(grown, "the map should have moved on the way");
    let events = std::mem::take(&mut watch().events);
    (before, events, states)
}

fn apply(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    image.resize(image.len().max(at + bytes.len()), 0);
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// How much of what was not synced reached the disk.
#[derive(Clone, Copy)]
enum Lost {
    All,
    Nothing,
    Sectors,
}

/// Cuts the power after each event; how many files were made, and in how many places one of them
/// was wrong.
fn cut(syncs_count: bool, commits: u32) -> (usize, usize) {
    let (Before { data: mut durable, newest }, events, states) = history(commits);
    let syncs = events.iter().filter(|event| matches!(event, Event::Sync)).count();
    let through = events.iter().filter(|event| matches!(event, Event::Write { through: true, .. }));
    assert!(through.count() >= commits as usize, "the root is not written through");
    assert!(syncs >= commits as usize, "{syncs} syncs in {commits} commits");
    let (mut pending, mut returned) = (Vec::new(), 0);
    let (mut cuts, mut wrong) = (0, 0);
    for event in &events {
        match event {
            Event::Write { at, bytes, .. } => pending.push((*at as usize, bytes)),
            Event::Sync if syncs_count => {
                for (at, bytes) in pending.drain(..) {
                    apply(&mut durable, at, bytes);
                }
            }
            Event::Sync => {}
            Event::Returned(state) => returned = *state,
        }
        for lost in [Lost::All, Lost::Nothing, Lost::Sectors, Lost::Sectors] {
            cuts += 1;
            let mut image = durable.clone();
            let mut rng = fastrand::Rng::with_seed(cuts as u64);
            for (at, bytes) in &pending {
                match lost {
                    Lost::All => {}
                    Lost::Nothing => apply(&mut image, *at, bytes),
                    Lost::Sectors => {
                        // Up to where a sector of 512 bytes ends, which a disk writes whole or not
                        // at all.
                        let mut from = 0;
                        while from < bytes.len() {
                            let to = bytes.len().min((at + from + 512) / 512 * 512 - at);
                            if rng.bool() {
                                apply(&mut image, at + from, &bytes[from..to]);
                            }
                            from = to;
                        }
                    }
                }
            }
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("data.mdb"), &image).unwrap();
            // No commit syncs this one, so an old one is what a cut may leave.
            fs::write(dir.path().join("newest"), &newest).unwrap();
            let found = open(dir.path()).map(|disk| content(&disk));
            let allowed = states.iter().skip(returned).take(2);
            let fits = |found: &Content| allowed.clone().any(|state| state == found);
            if !found.as_ref().is_ok_and(fits) {
                wrong += 1;
                if wrong <= 3 {
                    let rows = found.map(|found| found.len());
                    println!("cut {cuts}, after state {returned}: {rows:?}");
                }
            }
        }
        // Written through: durable when the call returned, and until then as uncertain as any
        // other.
        if let Event::Write { through: true, .. } = event
            && let Some((at, bytes)) = pending.pop()
        {
            apply(&mut durable, at, bytes);
        }
    }
    (cuts, wrong)
}

#[test]
fn every_power_cut_leaves_what_was_committed() {
    let _turn = turn();
    let (cuts, wrong) = cut(true, 40);
    println!("{cuts} cuts");
    assert!(cuts > 400);
    assert_eq!(wrong, 0, "of {cuts} cuts");
}

/// Without syncs LMDB itself may stumble over the file, so this runs in a process of its own.
#[test]
fn without_syncs_a_power_cut_breaks_the_store() {
    let control = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_does_not_count_syncs", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&control.stderr);
    let found_wrong = said.contains("of 1") && said.contains(" cuts");
    let stumbled = control.status.code().is_none();
    assert!(found_wrong || stumbled, "a store without syncs survived everything: {said}");
}

#[test]
#[ignore = "the child of another test, and fails"]
fn child_that_does_not_count_syncs() {
    let (cuts, wrong) = cut(false, 40);
    assert_eq!(wrong, 0, "of {cuts} cuts");
}

#[test]
fn a_failed_sync_is_returned_and_never_retried() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    CutDisk::init(dir.path(), 1, "replica", OPTIONS, |_| ()).unwrap();
    let mut disk = open(dir.path()).unwrap();
    start_watching(dir.path());
    let mut store = disk.store();
    store.put(Key(1), "a".into());
    disk.commit(store.clone()).unwrap();
    store.put(Key(2), "b".into());
    watch().fail_sync = Some(rustix::io::Errno::IO);
    watch().events.clear();
    let failed = disk.commit(store.clone()).unwrap_err().to_string();
    assert!(failed.contains("error 5"), "{failed}");
    assert_eq!(disk.store().get(&Key(2)), None, "a failed commit is not published");
    let again = disk.commit(store).unwrap_err().to_string();
    assert!(again.contains("earlier commit failed"), "{again}");
    let syncs = watch().events.iter().filter(|event| matches!(event, Event::Sync)).count();
    assert_eq!(syncs, 0, "a failed sync was tried again");
}

/// Two thousand times as many rows make a commit two levels of the tree dearer, not two thousand
/// times.
#[test]
fn a_commit_costs_what_changed() {
    let _turn = turn();
    let mut written = Vec::new();
    for rows in [100, 200_000] {
        let dir = tempfile::tempdir().unwrap();
        CutDisk::init(dir.path(), 1, "replica", OPTIONS, |store| {
            for n in 0..rows {
                store.put(Key(n), "x".repeat(100));
            }
        })
        .unwrap();
        let mut disk = open(dir.path()).unwrap();
        let mut store = disk.store();
        start_watching(dir.path());
        for n in 0..20 {
            store.put(Key(n * 7919 % rows), "y".repeat(100));
            disk.commit(store.clone()).unwrap();
        }
        let events = &watch().events;
        let bytes = events.iter().map(|event| match event {
            Event::Write { bytes, .. } => bytes.len(),
            _ => 0,
        });
        let syncs = events.iter().filter(|event| matches!(event, Event::Sync)).count();
        assert_eq!(syncs, 20, "one sync a commit, beside the root that is written through");
        written.push(bytes.sum::<usize>() / 20);
    }
    println!("bytes written by a commit of one row: {written:?}");
    assert!(written[0] > 4096 && written[1] < 12 * 4096 && written[1] < 4 * written[0]);
}

#[test]
fn the_watch_sees_writes() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("data.mdb"), b"").unwrap();
    start_watching(dir.path());
    let file = File::options().write(true).open(dir.path().join("data.mdb")).unwrap();
    assert!(file.as_raw_fd() > 2);
    let write = || -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&file, b"seen", 0)?;
        file.sync_data()
    };
    write().unwrap();
    let events = &watch().events;
    let [Event::Write { bytes, through, .. }, Event::Sync] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((&**bytes, *through), (&b"seen"[..], false));
}
