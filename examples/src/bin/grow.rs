//! Adds a fourth node to a chain that holds many keys, under load: how long that takes, and how
//! long the longest pause between two acknowledged writes is.
//!
//! ```sh
//! cargo build --release
//! cargo run --release -p chainring-examples --bin grow -- 1000000
//! ```
//!
//! A cluster of three nodes is filled with so many keys of 100 bytes. While eight clients go on
//! writing, a fourth node is added with `chainring join`, started, and learns; the clients go on
//! for some seconds after it has become the tail. Afterwards every key is read at the new tail and
//! at its predecessor, from what each has itself (`read-policy eventual`), and compared.

use chainring_client::Connection;
use chainring_examples::{Anything, Cluster, PATIENCE, Stop, name, program};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: u64 = 8;
const VALUE_BYTES: usize = 100;
/// How many keys a page lists.
const BATCH: u64 = 1000;
/// How long the clients go on before the node is added, and after it has become the tail.
const LOADED: Duration = Duration::from_secs(3);

fn main() -> Anything<()> {
    let keys = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(100_000);
    let mut cluster = Cluster::start(&program()?, 3)?;
    cluster.fill(keys, VALUE_BYTES)?;
    println!("{keys} keys of {VALUE_BYTES} bytes are stored");

    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let (longest, newest) = (Mutex::new(Duration::ZERO), AtomicU64::new(0));
    std::thread::scope(|scope| -> Anything<()> {
        let _stopping = Stop(&stop);
        let connections: Vec<_> = (0..CLIENTS)
            .map(|client| cluster.connect(client as usize % 3))
            .collect::<redis::RedisResult<_>>()?;
        let begin = Instant::now();
        let watch = (&stop, &written, &longest, &newest);
        for (client, connection) in connections.into_iter().enumerate() {
            let keys = keys.max(1);
            scope.spawn(move || write(connection, client as u64, keys, begin, watch));
        }
        std::thread::sleep(LOADED);
        let before = written.load(Ordering::Relaxed);
        let start = Instant::now();
        cluster.join()?;
        let mut newcomer = cluster.connect(3)?;
        loop {
            let info: String = redis::cmd("INFO").query(&mut newcomer)?;
            if info.contains("chain_role:tail") {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let learning = start.elapsed();
        let during = written.load(Ordering::Relaxed) - before;
        println!(
            "the fourth node is the tail {:.1} s after it was added; {during} writes meanwhile",
            learning.as_secs_f64()
        );
        std::thread::sleep(LOADED);
        Ok(())
    })?;
    let longest = *longest.lock().map_err(|_| "a client panicked")?;
    println!("the longest pause between two acknowledged writes: {} ms", longest.as_millis());
    let compared = compare(&mut cluster.connect(2)?, &mut cluster.connect(3)?)?;
    println!("{compared} keys are the same at the new tail and at its predecessor");
    Ok(())
}

type Watch<'a> = (&'a AtomicBool, &'a AtomicU64, &'a Mutex<Duration>, &'a AtomicU64);

/// Writes, deletes and counts, one key after the other, and notes the longest time in which no
/// client of all had a reply.
fn write(
    mut connection: Connection,
    client: u64,
    keys: u64,
    begin: Instant,
    (stop, written, longest, newest): Watch<'_>,
) {
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let key = name((client << 32 | number).wrapping_mul(0x9E37_79B9) % keys);
        let mut command = match number % 8 {
            0 => redis::cmd("DEL"),
            _ => redis::cmd("SET"),
        };
        command.arg(&key);
        if number % 8 != 0 {
            command.arg(format!("{client}:{number}"));
        }
        if command.exec(&mut connection).is_err() {
            continue;
        }
        written.fetch_add(1, Ordering::Relaxed);
        let now = begin.elapsed().as_micros() as u64; // a run has less than 2^64 of these
        let before = newest.fetch_max(now, Ordering::Relaxed);
        let pause = Duration::from_micros(now.saturating_sub(before));
        if let Ok(mut longest) = longest.lock()
            && before > 0
        {
            *longest = pause.max(*longest);
        }
    }
}

/// Reads every key at both nodes, from what each has itself; returns how many there are.
fn compare(one: &mut Connection, other: &mut Connection) -> Anything<u64> {
    for connection in [&mut *one, &mut *other] {
        redis::cmd("CONFIG").arg("SET").arg("read-policy").arg("eventual").exec(connection)?;
    }
    let sizes = |connection: &mut Connection| redis::cmd("DBSIZE").query::<u64>(connection);
    let size = same(one, other, sizes)?.ok_or("one of them counts more keys than the other")?;
    let (mut cursor, mut compared) = (0_u64, 0);
    loop {
        let page: (u64, Vec<String>) =
            redis::cmd("SCAN").arg(cursor).arg("COUNT").arg(BATCH).query(one)?;
        if !page.1.is_empty() {
            let values = |connection: &mut Connection| -> redis::RedisResult<Vec<Option<String>>> {
                redis::cmd("MGET").arg(&page.1).query(connection)
            };
            same(one, other, values)?.ok_or(format!("values differ after {compared} keys"))?;
            compared += page.1.len() as u64;
        }
        cursor = page.0;
        if cursor == 0 {
            return if compared == size {
                Ok(compared)
            } else {
                Err(format!("{compared} keys are listed, {size} counted").into())
            };
        }
    }
}

/// What both say, as soon as it is the same: the tail answers clients when it tells its
/// predecessor, which may be a moment behind. `None` if it never is.
fn same<T: PartialEq>(
    one: &mut Connection,
    other: &mut Connection,
    ask: impl Fn(&mut Connection) -> redis::RedisResult<T>,
) -> Anything<Option<T>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let said = ask(one)?;
        if said == ask(other)? {
            return Ok(Some(said));
        }
    }
    Ok(None)
}
