//! Kills a member of a chain under load, again and again, and measures how long no write is
//! accepted.
//!
//! ```sh
//! cargo build --release
//! cargo run --release -p chainring-examples --bin failover -- 10 [redis-benchmark]
//! ```
//!
//! Each round has a fresh cluster of three nodes with the default timeouts, which sixteen clients
//! load with one `SET` after the other, through the nodes that are to live on; or, where that is
//! asked for, two clients, and `redis-benchmark` with fifty that set and get. Then the head, the
//! middle or the tail is killed with SIGKILL, and at once a fresh `SET` is sent through each of the
//! others. What is measured is the time from the kill to the latest of their acknowledgements. The
//! node that is killed as the head has the leading coordinator, too; *leader and tail* kills that
//! one and the tail of a chain of five together. Afterwards what was acknowledged last must be
//! readable.

use chainring_client::Connection;
use chainring_examples::{Anything, Cluster, Stop, program};
use redis::{Commands, RedisResult};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 16;
const KEYS: u64 = 100_000;
const VALUE_BYTES: usize = 100;
/// How long a cluster is loaded before one of its nodes is killed.
const LOADED: Duration = Duration::from_secs(2);

fn main() -> Anything<()> {
    let rounds = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(10);
    let benchmark = match std::env::args().nth(2).as_deref() {
        None => false,
        Some("redis-benchmark") => true,
        Some(other) => return Err(format!("`{other}` is not a load: redis-benchmark is").into()),
    };
    let program = program()?;
    println!(
        "{:16} {:>6} {:>10} {:>10}   (milliseconds until writes are accepted)",
        "killed", "rounds", "median", "worst"
    );
    let cases: [(&str, usize, &[usize]); 4] = [
        ("head", 3, &[0]),
        ("middle", 3, &[1]),
        ("tail", 3, &[2]),
        ("leader and tail", 5, &[0, 4]),
    ];
    for (role, nodes, victims) in cases {
        let mut times = Vec::new();
        for round in 0..rounds {
            let took = fail_over(&program, nodes, victims, benchmark)?;
            eprintln!("{role}, round {}: {:.0} ms", round + 1, millis(took));
            times.push(took);
        }
        times.sort();
        let (Some(worst), Some(median)) = (times.last(), times.get(times.len() / 2)) else {
            return Err("no rounds, no times".into());
        };
        println!("{role:16} {rounds:>6} {:>10.0} {:>10.0}", millis(*median), millis(*worst));
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One round: the time from the kill until writes through all other nodes are acknowledged.
fn fail_over(
    program: &Path,
    nodes: usize,
    victims: &[usize],
    benchmark: bool,
) -> Anything<Duration> {
    let mut cluster = Cluster::start(program, nodes)?;
    let survivors: Vec<_> = (0..nodes).filter(|node| !victims.contains(node)).collect();
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut fresh: Vec<_> =
        survivors.iter().map(|node| cluster.connect(*node)).collect::<RedisResult<_>>()?;
    let mut benchmark = match benchmark {
        true => Some(Benchmark::start(cluster.address(survivors[0]))?),
        false => None,
    };
    let clients = if benchmark.is_some() { 2 } else { CLIENTS };
    std::thread::scope(|scope| {
        let stopping = Stop(&stop);
        let mut loading = Vec::new();
        for client in 0..clients {
            let connection = cluster.connect(survivors[client % survivors.len()])?;
            let (stop, written) = (&stop, &written);
            loading.push(scope.spawn(move || load(connection, client as u64, stop, written)));
        }
        std::thread::sleep(LOADED);
        for victim in victims {
            cluster.kill(*victim)?;
        }
        let killed = Instant::now();
        let asking: Vec<_> = (fresh.iter_mut())
            .map(|connection| {
                scope.spawn(move || {
                    connection.set::<_, _, ()>("fresh", "write").map(|()| killed.elapsed())
                })
            })
            .collect();
        let took: Vec<_> = asking.into_iter().map(|asked| asked.join()).collect();
        if let Some(benchmark) = &mut benchmark {
            benchmark.goes_on()?;
        }
        drop(stopping);
        let mut worst = Duration::ZERO;
        for took in took {
            worst = worst.max(took.map_err(|_| "a client panicked")??);
        }
        // What each client was told last must be there, unless another has written the key since.
        let mut reader = cluster.connect(survivors[0])?;
        for loaded in loading {
            let Some(key) = loaded.join().map_err(|_| "a client panicked")? else { continue };
            let found: Option<String> = reader.get(&key)?;
            found.ok_or_else(|| format!("{key} was acknowledged and is not there"))?;
        }
        if written.load(Ordering::Relaxed) == 0 {
            return Err("there was no load".into());
        }
        Ok(worst)
    })
}

/// `redis-benchmark`, as load; dropping it ends it.
struct Benchmark(Child);

impl Benchmark {
    fn start(address: SocketAddr) -> Anything<Self> {
        let port = address.port().to_string();
        let mut command = Command::new("redis-benchmark");
        command.args(["-p", &port, "-t", "set,get", "-l", "-n", "1000000", "-c", "50"]);
        command.args(["-r", "100000", "-d", "100"]).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Benchmark(command.spawn().map_err(|error| format!("redis-benchmark: {error}"))?))
    }

    /// It ends at the first error that it is given, so none was.
    fn goes_on(&mut self) -> Anything<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("redis-benchmark ended: {status}").into()),
        }
    }
}

impl Drop for Benchmark {
    fn drop(&mut self) {
        // One that has ended needs no signal.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes one key after the other; returns the last one that was acknowledged.
fn load(
    mut connection: Connection,
    client: u64,
    stop: &AtomicBool,
    written: &AtomicU64,
) -> Option<String> {
    let value = "x".repeat(VALUE_BYTES);
    let mut newest = None;
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // Spread as random ones would be, and the same in each round.
        let key = format!("key:{:012}", (client << 32 | number).wrapping_mul(0x9E37_79B9) % KEYS);
        if connection.set::<_, _, ()>(&key, &value).is_ok() {
            written.fetch_add(1, Ordering::Relaxed);
            newest = Some(key);
        }
    }
    newest
}
