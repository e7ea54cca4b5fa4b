//! The tests of the project that the chain grew from, on real processes: chains of one to five,
//! clients that go on while members fail, a chain that is extended midway, two chains behind one
//! front door.

mod harness;

use chainring_client::Connection;
use harness::{Cluster, PATIENCE, connect, eventually, run};
use redis::Commands;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// What a client of the seed does: it writes, updates, reads back and deletes.
fn uses(connection: &mut Connection, name: &str) {
    let key = |n: usize| format!("{name}:{n}");
    for n in 0..20 {
        let _: () = connection.set(key(n), n).unwrap();
        let found: usize = connection.get(key(n)).unwrap();
        assert_eq!(found, n);
    }
    for n in 0..20 {
        let _: () = connection.set(key(n), n + 100).unwrap();
    }
    for n in 0..20 {
        let found: Option<usize> = connection.get(key(n)).unwrap();
        assert_eq!(found, Some(n + 100));
    }
    let deleted: usize = connection.del(key(0)).unwrap();
    let found: Option<usize> = connection.get(key(0)).unwrap();
    assert_eq!((deleted, found), (1, None));
}

#[test]
fn a_single_node_serves() {
    let cluster = Cluster::start(1);
    uses(&mut cluster.connect(0), "client");
}

#[test]
fn two_nodes_serve_and_show_the_same() {
    let cluster = Cluster::start(2);
    uses(&mut cluster.connect(0), "one");
    uses(&mut cluster.connect(1), "other");
    for node in 0..2 {
        let found: usize = cluster.connect(node).get("one:7").unwrap();
        assert_eq!(found, 107);
    }
}

/// A client that counts up, through whichever of some nodes answers.
struct Counter<'a> {
    key: String,
    nodes: &'a [SocketAddr],
    /// How many increments are acknowledged.
    acknowledged: AtomicU64,
    /// How many may or may not have happened.
    unknown: AtomicU64,
}

impl<'a> Counter<'a> {
    fn new(client: usize, nodes: &'a [SocketAddr]) -> Self {
        let (acknowledged, unknown) = (AtomicU64::new(0), AtomicU64::new(0));
        Counter { key: format!("counter:{client}"), nodes, acknowledged, unknown }
    }

    /// Counts until told to stop. Every reply is checked: a count is never behind what was
    /// acknowledged before it, and never ahead of what was asked for.
    fn run(&self, stop: &AtomicBool) {
        let mut place = 0;
        while !stop.load(Ordering::Relaxed) {
            let address = self.nodes[place % self.nodes.len()];
            place += 1;
            let Ok(mut connection) = chainring_client::connect(address, PATIENCE) else { continue };
            while !stop.load(Ordering::Relaxed) {
                let counted: Result<u64, _> = connection.incr(&self.key, 1);
                match counted {
                    Ok(counted) => {
                        let before = self.acknowledged.fetch_add(1, Ordering::Relaxed);
                        let unknown = self.unknown.load(Ordering::Relaxed);
                        assert!(counted > before && counted <= before + 1 + unknown);
                    }
                    Err(error) if error.code() == Some("TRYAGAIN") => {}
                    Err(_) => {
                        self.unknown.fetch_add(1, Ordering::Relaxed);
                        break; // the node may be dead: try another one
                    }
                }
            }
        }
    }

    fn count(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// The counter holds every acknowledged increment, each once, wherever it is read.
    fn check(&self, connection: &mut Connection) {
        let found: u64 = connection.get(&self.key).unwrap();
        let (known, unknown) = (self.count(), self.unknown.load(Ordering::Relaxed));
        assert!((known..=known + unknown).contains(&found), "{known} + {unknown}: {found}");
    }
}

/// Lets clients count while `midway` does something to their cluster; afterwards every one of them
/// has to get on, and the nodes `alive` have to show everything that was acknowledged.
fn count_while(
    clients: usize,
    nodes: &[SocketAddr],
    alive: &[SocketAddr],
    midway: impl FnOnce(&dyn Fn()),
) {
    let counters: Vec<_> = (0..clients).map(|client| Counter::new(client, nodes)).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = harness::Stop(&stop);
        for counter in &counters {
            scope.spawn(|| counter.run(&stop));
        }
        let all_get_on = || {
            let before: Vec<_> = counters.iter().map(Counter::count).collect();
            eventually("every client has got on", || {
                counters.iter().zip(&before).all(|(counter, before)| counter.count() >= before + 5)
            });
        };
        all_get_on();
        midway(&all_get_on);
        all_get_on();
        stop.store(true, Ordering::Relaxed);
    });
    for address in alive {
        let mut connection = connect(*address);
        for counter in &counters {
            counter.check(&mut connection);
        }
    }
}

#[test]
fn four_nodes_survive_the_failure_of_their_tail_midway() {
    let mut cluster = Cluster::start(4);
    let nodes = cluster.resp.clone();
    count_while(4, &nodes, &nodes[..3], |_| cluster.kill(3));
    cluster.until_role(1, 3, "removed");
}

#[test]
fn five_nodes_and_five_clients_survive_the_failures_of_the_third_fourth_and_fifth() {
    let mut cluster = Cluster::start(5);
    let nodes = cluster.resp.clone();
    count_while(5, &nodes, &nodes[..2], |all_get_on| {
        for node in [2, 3, 4] {
            cluster.kill(node);
            all_get_on();
        }
    });
}

/// A node that was not there at first joins while clients go on. Then those that were there before
/// are killed one after the other but for the coordinators' majority, and the newcomer has
/// everything.
#[test]
fn a_chain_is_extended_midway() {
    let mut cluster = Cluster::start(3);
    let nodes = cluster.resp.clone();
    {
        let mut connection = cluster.connect(0);
        for n in 0..2000 {
            let _: () = connection.set(format!("old:{n}"), n).unwrap();
        }
    }
    let file = cluster.file();
    count_while(5, &nodes, &nodes[1..], |all_get_on| {
        let out = run(&["join", "--config", file.to_str().unwrap()]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        cluster.add();
        cluster.restart(3);
        cluster.until_role(1, 3, "tail");
        all_get_on();
        cluster.kill(0);
    });
    let mut connection = cluster.connect(3);
    let status = cluster.until_role(1, 3, "tail");
    assert_eq!(status["nodes"].as_array().unwrap().len(), 4, "{status}");
    for n in (0..2000).step_by(97) {
        let found: usize = connection.get(format!("old:{n}")).unwrap();
        assert_eq!(found, n);
    }
    let size: usize = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    assert_eq!(size, 2005);
}

/// A member that is killed comes back by itself when it is started again, and has what it missed.
#[test]
fn a_killed_member_returns() {
    let mut cluster = Cluster::start(3);
    let nodes = cluster.resp.clone();
    count_while(3, &nodes, &nodes, |all_get_on| {
        for node in [2, 0, 1] {
            cluster.kill(node);
            all_get_on();
            cluster.restart(node);
            let start = Instant::now();
            cluster.until_role(1, node, "tail");
            assert!(start.elapsed() < PATIENCE);
            all_get_on();
        }
    });
}
