//! Kills nodes of a ring of ten under load, and waits until every key is on three live nodes again.
//!
//! ```sh
//! cargo build --release
//! cargo run --release -p chainring-examples --bin heal -- 100000 one
//! cargo run --release -p chainring-examples --bin heal -- 100000 two
//! ```
//!
//! The ring is filled with so many keys of 100 bytes. Clients read and write all of them through
//! the nodes that are to live on; then one node is killed with SIGKILL, or two at once that have no
//! range in common (in a ring where a node has one token: with 64 any two share some). The clients
//! go on until the ring is stable without the dead. What is measured is how long that takes, the
//! longest time that an operation took, and how many failed. Then all nodes are stopped, and their
//! *stores* are read: each key has to be at its three replicas, in the newest view, with a value
//! that was written.

use chainring::config::Cluster as File;
use chainring_client::Connection;
use chainring_examples::{Anything, Cluster, Stop, name, program};
use chainring_model::ring::{Key, Row, View};
use chainring_model::store::Store;
use chainring_runtime::store::{LmdbDisk, LmdbOptions};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const NODES: usize = 10;
const CLIENTS: usize = 8;
const VALUE_BYTES: usize = 100;
/// How long the clients go on before the kill, and after the ring has healed.
const LOADED: Duration = Duration::from_secs(3);
/// How long healing may take.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> Anything<()> {
    let keys = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(100_000);
    let (arguments, count): (&[&str], _) = match std::env::args().nth(2).as_deref() {
        None | Some("one") => (&["ring"], 1),
        Some("two") => (&["ring", "--tokens", "1"], 2),
        Some(other) => return Err(format!("`{other}` nodes cannot be killed: one or two").into()),
    };
    let mut cluster = Cluster::start_of(&program()?, arguments, NODES)?;
    let victims = victims(&File::read(&cluster.file())?.first_ring(), count)?;
    cluster.fill(keys, VALUE_BYTES)?;
    println!("{keys} keys of {VALUE_BYTES} bytes are stored");

    let (stop, seen) = (AtomicBool::new(false), Seen::default());
    std::thread::scope(|scope| -> Anything<()> {
        let _stopping = Stop(&stop);
        let live: Vec<_> = (0..NODES).filter(|node| !victims.contains(node)).collect();
        for client in 0..CLIENTS {
            let connection = cluster.connect(live[client % live.len()])?;
            let (stop, seen) = (&stop, &seen);
            scope.spawn(move || load(connection, client as u64, keys, stop, seen));
        }
        std::thread::sleep(LOADED);
        for victim in &victims {
            cluster.kill(*victim)?;
        }
        let (killed, before) = (Instant::now(), seen.done.load(Ordering::Relaxed));
        until_stable(&cluster, NODES - victims.len(), killed)?;
        let during = seen.done.load(Ordering::Relaxed) - before;
        let nodes: Vec<_> = victims.iter().map(|victim| victim + 1).collect();
        println!(
            "node {nodes:?} killed: the ring is stable without after {:.1} s; {during} operations meanwhile",
            killed.elapsed().as_secs_f64()
        );
        std::thread::sleep(LOADED);
        Ok(())
    })?;
    let longest = *seen.longest.lock().map_err(|_| "a client panicked")?;
    let failed = seen.failed.load(Ordering::Relaxed);
    println!("operations that failed: {failed}; the longest took {} ms", longest.as_millis());
    if failed > 0 {
        return Err("a client that waits was told of an error".into());
    }
    cluster.stop()?;
    let held = holders(&cluster, &victims)?;
    let short = held.values().filter(|holders| holders.len() < 3).count();
    println!(
        "{} keys are in the stores of live nodes, {short} of them in fewer than three",
        held.len()
    );
    if held.len() as u64 != keys || short > 0 {
        return Err("a key is not where it has to be".into());
    }
    Ok(())
}

/// So many nodes (from 0) that decide nothing, and have no range in common.
fn victims(view: &View, count: usize) -> Anything<Vec<usize>> {
    if count == 1 {
        return Ok(vec![NODES - 1]);
    }
    let apart = |one: usize, other: usize| {
        let both = [Id::from(one), Id::from(other)];
        let shares = |replicas: &Vec<Id>| both.iter().all(|node| replicas.contains(node));
        !view.spans().iter().map(|span| view.old_replicas(span.upto)).any(|set| shares(&set))
    };
    let pairs = (3..NODES).flat_map(|one| (one + 1..NODES).map(move |other| (one, other)));
    let found = pairs.into_iter().find(|(one, other)| apart(*one, *other));
    let (one, other) = found.ok_or("no two nodes are apart")?;
    Ok(vec![one, other])
}

/// What the clients saw.
#[derive(Default)]
struct Seen {
    done: AtomicU64,
    failed: AtomicU64,
    longest: Mutex<Duration>,
}

/// Reads and writes one key after the other, over all keys.
fn load(mut connection: Connection, client: u64, keys: u64, stop: &AtomicBool, seen: &Seen) {
    let value = "1".repeat(VALUE_BYTES);
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let key = name((client << 32 | number).wrapping_mul(0x9E37_79B9) % keys.max(1));
        let start = Instant::now();
        let answer = match number % 2 {
            0 => redis::cmd("SET").arg(&key).arg(&value).exec(&mut connection),
            _ => match redis::cmd("GET").arg(&key).query::<Option<String>>(&mut connection) {
                Ok(None) => {
                    eprintln!("{key} is not there");
                    seen.failed.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                }
                Ok(Some(_)) => Ok(()),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = answer {
            eprintln!("{key}: {error}");
            seen.failed.fetch_add(1, Ordering::Relaxed);
        }
        seen.done.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut longest) = seen.longest.lock() {
            *longest = longest.max(start.elapsed());
        }
    }
}

/// Waits until the ring is stable with so many members.
fn until_stable(cluster: &Cluster, members: usize, since: Instant) -> Anything<()> {
    loop {
        let status = cluster.status()?;
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        let count = nodes.iter().filter(|node| node["role"] == "member").count();
        if status["stable"] == true && count == members {
            return Ok(());
        }
        if since.elapsed() > PATIENCE {
            return Err(format!("after {PATIENCE:?} the ring is not stable: {status}").into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// For each key, those of its replicas in the newest view of all that hold a value, by their
/// stores.
fn holders(cluster: &Cluster, dead: &[usize]) -> Anything<BTreeMap<Vec<u8>, BTreeSet<usize>>> {
    let path = cluster.file();
    let (file, base) = (File::read(&path)?, path.parent().ok_or("a file is in a directory")?);
    let mut stores = Vec::new();
    for node in file.nodes.iter().filter(|node| !dead.contains(&(node.id as usize - 1))) {
        let (dir, id) = (node.directory(base).join("replica"), usize::from(node.replica()));
        let (kind, options) = (format!("replica {id}"), LmdbOptions::default());
        let disk: LmdbDisk<Key, Row> = LmdbDisk::open(&dir, file.cluster, &kind, options)?;
        let store = disk.store();
        let Some(Row::View(view)) = store.get(&Key::View) else { return Err("no view".into()) };
        stores.push((id, view, store));
    }
    let newest = stores.iter().map(|(_, view, _)| view).max_by_key(|view| view.epoch);
    let newest = newest.ok_or("no store")?.clone();
    let mut held = BTreeMap::<_, BTreeSet<usize>>::new();
    for (id, _, store) in &stores {
        let mut from = Key::Register(0, "".into());
        loop {
            let rows = store.scan(Bound::Excluded(&from), Bound::Unbounded, 1000);
            let Some((last, _)) = rows.last() else { break };
            from = last.clone();
            for (key, row) in rows {
                if let (Key::Register(at, key), Row::Register(register)) = (key, row)
                    && register.content.value.is_some()
                    && newest.replicas(at).contains(&Id::from(*id))
                {
                    held.entry(key.to_vec()).or_default().insert(*id);
                }
            }
        }
    }
    Ok(held)
}
