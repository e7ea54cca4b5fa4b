//! Kills a member of a chain under load, again and again, and measures how long no write is accepted.
//!
//! ```sh
//! cargo build --release
//! cargo run --release -p chainring-examples --bin failover -- 10
//! ```
//!
//! Each round has a fresh cluster of three nodes with the default timeouts, which sixteen clients load
//! with one `SET` after the other, through the two nodes that are to live on. Then the head, the middle or
//! the tail is killed with SIGKILL, and at once a fresh `SET` is sent through each of the other two. What
//! is measured is the time from the kill to the later of their acknowledgements. (The node that is killed as the head has
//! the first coordinator, too.) Afterwards what was acknowledged last must be readable.

use redis::{Client, Commands, Connection, RedisResult};
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 16;
const KEYS: u64 = 100_000;
const VALUE_BYTES: usize = 100;
/// How long a cluster is loaded before one of its nodes is killed.
const LOADED: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

type Anything<T> = Result<T, Box<dyn Error>>;

fn main() -> Anything<()> {
    let rounds = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(10);
    let program = std::env::current_exe()?.with_file_name("chainring");
    if !program.exists() {
        let wanted = program.display();
        return Err(format!("there is no {wanted}: build it with `cargo build --release`").into());
    }
    println!(
        "{:8} {:>6} {:>10} {:>10}   (milliseconds until writes are accepted)",
        "killed", "rounds", "median", "worst"
    );
    for (victim, role) in ["head", "middle", "tail"].into_iter().enumerate() {
        let mut times = Vec::new();
        for round in 0..rounds {
            let took = fail_over(&program, victim)?;
            eprintln!("{role}, round {}: {:.0} ms", round + 1, millis(took));
            times.push(took);
        }
        times.sort();
        let (Some(worst), Some(median)) = (times.last(), times.get(times.len() / 2)) else {
            return Err("no rounds, no times".into());
        };
        println!("{role:8} {rounds:>6} {:>10.0} {:>10.0}", millis(*median), millis(*worst));
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One round: the time from the kill until writes through both other nodes are acknowledged.
fn fail_over(program: &Path, victim: usize) -> Anything<Duration> {
    let mut cluster = Cluster::start(program)?;
    let survivors: Vec<_> = (0..3).filter(|node| *node != victim).collect();
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut fresh: Vec<_> =
        survivors.iter().map(|node| cluster.connect(*node)).collect::<RedisResult<_>>()?;
    std::thread::scope(|scope| {
        let stopping = Stop(&stop);
        let mut loading = Vec::new();
        for client in 0..CLIENTS {
            let connection = cluster.connect(survivors[client % 2])?;
            let (stop, written) = (&stop, &written);
            loading.push(scope.spawn(move || load(connection, client as u64, stop, written)));
        }
        std::thread::sleep(LOADED);
        cluster.kill(victim)?;
        let killed = Instant::now();
        let asking: Vec<_> = (fresh.iter_mut())
            .map(|connection| {
                scope.spawn(move || {
                    connection.set::<_, _, ()>("fresh", "write").map(|()| killed.elapsed())
                })
            })
            .collect();
        let took: Vec<_> = asking.into_iter().map(|asked| asked.join()).collect();
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

/// Ends the load when it goes, also where something failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Three processes; dropping them kills them.
struct Cluster {
    resp: Vec<String>,
    nodes: Vec<Child>,
    // The last field, so that it is removed when nobody uses it any more.
    _dir: tempfile::TempDir,
}

impl Cluster {
    fn start(program: &Path) -> Anything<Self> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command.args([
            "cluster",
            "chain",
            "--only-init",
            "--nodes",
            "3",
            "--resp-port",
            "0",
            "--dir",
        ]);
        let made = command.arg(dir.path()).stdout(Stdio::null()).status()?;
        if !made.success() {
            return Err("the cluster could not be made".into());
        }
        let file: PathBuf = dir.path().join("cluster.toml");
        let text = std::fs::read_to_string(&file)?;
        let resp = text.lines().filter_map(|line| line.strip_prefix("resp = "));
        let resp = resp.map(|at| at.trim_matches('"').to_string()).collect();
        let mut cluster = Cluster { resp, nodes: Vec::new(), _dir: dir };
        for id in 1..=3 {
            let mut command = Command::new(program);
            command.arg("node").arg("--config").arg(&file).args(["--id", &id.to_string()]);
            command.arg("--with-parent").stdout(Stdio::piped()).stderr(Stdio::null());
            cluster.nodes.push(command.spawn()?);
        }
        for node in &mut cluster.nodes {
            let said = node.stdout.take().ok_or("a node has no output")?;
            let mut line = String::new();
            BufReader::new(said).read_line(&mut line)?;
            if !line.contains("serves") {
                return Err(format!("a node said {line:?}").into());
            }
        }
        Ok(cluster)
    }

    fn connect(&self, node: usize) -> RedisResult<Connection> {
        let client = Client::open(format!("redis://{}/", self.resp[node]))?;
        let connection = client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    fn kill(&mut self, node: usize) -> std::io::Result<()> {
        self.nodes[node].kill()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // One that has ended needs no signal.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}
