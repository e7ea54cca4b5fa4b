//! Loads many keys into a running cluster, and looks at its nodes' memory.
//!
//! ```sh
//! cargo run --release -- cluster chain --dir /tmp/million &
//! cargo run --release -p chainring-examples --bin million -- 2000000 6380 6381 6382
//! ```
//!
//! The data belongs into LMDB's file map, which the system may drop and read again; a node's
//! *anonymous* memory must not grow with it. Prints writes per second, and of each node RssAnon and
//! RssFile.

use chainring_client::Connection;
use chainring_examples::PATIENCE;
use redis::{InfoDict, RedisResult, cmd, pipe};
use std::fs;
use std::net::Ipv4Addr;
use std::time::Instant;

const VALUE_BYTES: usize = 100;
const PIPELINE: u64 = 128;
const CLIENTS: u64 = 8;

fn connect(port: u16) -> RedisResult<Connection> {
    chainring_client::connect((Ipv4Addr::LOCALHOST, port).into(), PATIENCE)
}

fn main() -> RedisResult<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<u64>().ok());
    let keys = numbers.next().unwrap_or(2_000_000);
    let mut ports: Vec<_> = numbers.filter_map(|port| u16::try_from(port).ok()).collect();
    if ports.is_empty() {
        ports = vec![6380, 6381, 6382];
    }
    let start = Instant::now();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let port = ports[client as usize % ports.len()];
                scope.spawn(move || {
                    load(port, client * keys / CLIENTS, (client + 1) * keys / CLIENTS)
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("no client panics"))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{keys} keys of {VALUE_BYTES} bytes in {seconds:.1} s: {:.0}/s",
        keys as f64 / seconds
    );
    for port in ports {
        let mut node = connect(port)?;
        let info: InfoDict = cmd("INFO").query(&mut node)?;
        let pid: u32 = info.get("process_id").unwrap_or_default();
        let count: u64 = cmd("DBSIZE").query(&mut node)?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let memory = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
        };
        let (anonymous, file) = (memory("RssAnon") / 1024, memory("RssFile") / 1024);
        println!(
            "port {port}: {count} keys, {anonymous} MiB anonymous, {file} MiB of files mapped"
        );
    }
    Ok(())
}

/// Writes the keys of a range, some at a time.
fn load(port: u16, from: u64, to: u64) -> RedisResult<()> {
    let mut node = connect(port)?;
    let mut next = from;
    while next < to {
        let mut batch = pipe();
        for key in next..to.min(next + PIPELINE) {
            batch.set(format!("key:{key:09}"), format!("{key:0>VALUE_BYTES$}")).ignore();
        }
        batch.query::<()>(&mut node)?;
        next += PIPELINE;
    }
    Ok(())
}
