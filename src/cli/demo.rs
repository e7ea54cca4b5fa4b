//! `chainring demo`: what a visitor runs first.

use crate::cli::cluster::{Plan, Processes};
use chainring_client::Connection;
use chainring_proofs::catalogue;
use chainring_proofs::checker::run::{Options, grouped};
use redis::Commands;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How many keys the demonstration writes.
const KEYS: usize = 300;

/// Checks the chain, starts a cluster in a temporary directory, writes, reads everywhere, kills a
/// node, brings it back, and shows that nothing was lost.
pub fn run() -> Result<ExitCode, String> {
    say!("1. Checking the replica code exhaustively: a chain of 3, two clients, one crash.");
    for name in ["chain-reads", "chain-crash", "chain-compete"] {
        let entry = catalogue::find(name).ok_or("the catalogue lacks a model of the demo")?;
        let report = entry.run(None, &Options::default());
        if !report.stands() {
            return Err(format!("the check failed:\n{report}"));
        }
        let (states, seconds) = (grouped(report.unique_states), report.seconds);
        let properties = report.properties.len();
        say!("   {name}: {properties} properties hold in all {states} states ({seconds:.1} s)");
    }

    say!("2. Starting that very code as three processes, over UDP, with LMDB on disk.");
    let dir = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
    let cluster =
        Plan { nodes: Some(3), resp_port: Some(0), ..Plan::default() }.prepare(dir.path())?;
    let mut processes = Processes::new(dir.path(), false);
    processes.start(cluster.nodes.iter().map(|node| node.id))?;
    for node in &cluster.nodes {
        say!("   node {} serves Redis clients at {}", node.id, node.resp);
    }
    let connect = |node: usize| -> Result<Connection, String> {
        let address = cluster.nodes[node].resp;
        let connection = chainring_client::connect(address, Duration::from_secs(10));
        connection.map_err(|error| format!("cannot connect to {address}: {error}"))
    };

    say!("3. Writing {KEYS} keys through node 1, the head.");
    let start = Instant::now();
    let mut head = connect(0)?;
    write(&mut head, 0..KEYS)?;
    say!("   all acknowledged in {:.2} s: every one is on three disks", seconds(start));

    say!("4. Reading them back from every node.");
    for node in 0..3 {
        let found = count(&mut connect(node)?, KEYS)?;
        say!("   node {}: {found} of {KEYS}", node + 1);
        expect(found == KEYS, "a key is missing")?;
    }

    say!("5. Killing node 2, the middle of the chain, with SIGKILL, and writing on at once.");
    processes.kill(2)?;
    let start = Instant::now();
    write(&mut head, KEYS..KEYS + 1)?;
    say!(
        "   the next write took {:.2} s: the coordinators have decided a chain without it",
        seconds(start)
    );
    for node in [0, 2] {
        let found = count(&mut connect(node)?, KEYS + 1)?;
        say!("   node {}: {found} of {}", node + 1, KEYS + 1);
        expect(found == KEYS + 1, "a key is missing")?;
    }
    say!("6. Restarting node 2 from its disk: what was decided without it, it now learns.");
    processes.start([2])?;
    for node in 0..3 {
        let found = count(&mut connect(node)?, KEYS + 1)?;
        say!("   node {}: {found} of {}", node + 1, KEYS + 1);
        expect(found == KEYS + 1, "a key is missing")?;
    }
    processes.stop();
    let me = crate::cli::me();
    say!("Nothing was lost. Next: `{me} check`, `{me} cluster chain`, `redis-cli -p 6380`.");
    Ok(ExitCode::SUCCESS)
}

fn seconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("the demonstration failed: {what}")) }
}

/// Writes keys in one pipeline; each must be acknowledged.
fn write(connection: &mut Connection, keys: std::ops::Range<usize>) -> Result<(), String> {
    let mut pipeline = redis::pipe();
    for key in keys {
        pipeline.set(format!("key:{key}"), value(key)).ignore();
    }
    pipeline.query(connection).map_err(|error| format!("a write failed: {error}"))
}

/// How many of the first keys hold what was written to them.
fn count(connection: &mut Connection, keys: usize) -> Result<usize, String> {
    let names: Vec<_> = (0..keys).map(|key| format!("key:{key}")).collect();
    let values: Vec<Option<String>> =
        connection.mget(names).map_err(|error| format!("a read failed: {error}"))?;
    let right = values.into_iter().enumerate().filter(|(key, found)| *found == Some(value(*key)));
    Ok(right.count())
}

fn value(key: usize) -> String {
    format!("value {key}")
}
