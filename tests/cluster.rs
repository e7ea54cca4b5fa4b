//! Real processes: what a cluster promises its users.

mod harness;

use harness::{Cluster, Protocol, Stop, connect, eventually, has_tool, output, run, start_cluster};
use redis::{Commands, RedisResult};
use rustix::process::Signal;
use std::fs::File;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What every cluster promises, whatever it runs.
macro_rules! both {
    ($($test:ident)*) => {
        mod chain {
            $(#[test] fn $test() { super::$test(super::Protocol::Chain); })*
        }
        mod ring {
            $(#[test] fn $test() { super::$test(super::Protocol::Ring); })*
        }
    };
}

both! {
    a_cluster_serves_its_data_again_at_the_next_start
    one_node_and_five_nodes_are_clusters_too
    what_one_node_acknowledges_every_node_shows
    no_acknowledged_write_is_lost_when_all_nodes_are_killed_under_load
    increments_count_once_while_a_node_is_killed_again_and_again
    a_truncated_store_refuses_to_start_and_says_what_to_do
    a_node_without_stores_refuses_to_start
    no_store_is_taken_for_another
    redis_cli_and_redis_benchmark_work_through_each_node
    the_python_client_does_a_round
}

fn a_cluster_serves_its_data_again_at_the_next_start(protocol: Protocol) {
    let dir = tempfile::tempdir().unwrap();
    let (mut cluster, resp, _) = start_cluster(protocol, dir.path(), 3);
    let _: () = connect(resp[0]).set("greeting", "hello").unwrap();

    // While it runs, no other program may run it, nor choose other ports for it.
    let file = dir.path().join("cluster.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let second = run(&[
        "cluster",
        protocol.name(),
        "--resp-port",
        "0",
        "--dir",
        dir.path().to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        !second.status.success() && said.contains("another `chainring cluster` runs"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);

    cluster.signal(Signal::TERM);
    assert!(cluster.0.wait().unwrap().success(), "SIGTERM is a graceful end");
    let (_cluster, resp, _) = start_cluster(protocol, dir.path(), 3);
    for node in resp {
        let found: String = connect(node).get("greeting").unwrap();
        assert_eq!(found, "hello");
    }
}

fn one_node_and_five_nodes_are_clusters_too(protocol: Protocol) {
    for nodes in [1, 5] {
        let cluster = Cluster::of(protocol, nodes);
        for node in 0..nodes {
            let counted: i64 = cluster.connect(node).incr("counter", 1).unwrap();
            assert_eq!(counted, node as i64 + 1);
        }
    }
}

fn what_one_node_acknowledges_every_node_shows(protocol: Protocol) {
    let cluster = Cluster::of(protocol, 3);
    let mut nodes: Vec<_> = (0..3).map(|node| cluster.connect(node)).collect();
    for round in 0..30 {
        let _: () = nodes[round % 3].set("key", round).unwrap();
        for node in &mut nodes {
            let found: usize = node.get("key").unwrap();
            assert_eq!(found, round);
        }
    }
}

/// Writers note what was acknowledged; the nodes are killed all at once, again and again; every
/// acknowledged write is there afterwards, or a later one of the same writer.
fn no_acknowledged_write_is_lost_when_all_nodes_are_killed_under_load(protocol: Protocol) {
    const WRITERS: usize = 8;
    const WRITES: u64 = 50;
    let mut cluster = Cluster::of(protocol, 3);
    for _ in 0..3 {
        // The last value of each writer that was acknowledged, and how many were.
        let acknowledged: [AtomicU64; WRITERS] = Default::default();
        let written: [AtomicU64; WRITERS] = Default::default();
        let killing = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let mut connection = cluster.connect(writer % 3);
                let (acknowledged, written) = (&acknowledged[writer], &written[writer]);
                let killing = &killing;
                scope.spawn(move || {
                    let key = format!("writer:{writer}");
                    let before: Option<u64> = connection.get(&key).unwrap();
                    for value in before.unwrap_or(0) + 1.. {
                        let set: RedisResult<()> = connection.set(&key, value);
                        if let Err(error) = set {
                            assert!(killing.load(Ordering::SeqCst), "writer {writer}: {error}");
                            return;
                        }
                        acknowledged.store(value, Ordering::SeqCst);
                        written.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            eventually("every writer wrote enough", || {
                written.iter().all(|written| written.load(Ordering::SeqCst) >= WRITES)
            });
            killing.store(true, Ordering::SeqCst);
            for node in 0..3 {
                cluster.kill(node);
            }
        });
        cluster.restart_all();
        for node in 0..3 {
            let mut connection = cluster.connect(node);
            for (writer, value) in acknowledged.iter().enumerate() {
                let value = value.load(Ordering::SeqCst);
                let found: u64 = connection.get(format!("writer:{writer}")).unwrap();
                assert!(found >= value, "writer {writer}: {found} on node {node}, not {value}");
            }
        }
    }
}

/// Increments through a node that is killed and restarted: no acknowledged one is lost, and none
/// counts twice, although gateways and chain retry.
fn increments_count_once_while_a_node_is_killed_again_and_again(protocol: Protocol) {
    let mut cluster = Cluster::of(protocol, 3);
    let stop = AtomicBool::new(false);
    let (acknowledged, unknown) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut connection = cluster.connect(0);
            let (stop, acknowledged, unknown) = (&stop, &acknowledged, &unknown);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let counter = match connection.incr::<_, _, i64>("counter", 1) {
                        Ok(_) => acknowledged,
                        Err(_) => unknown,
                    };
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _stop = Stop(&stop);
        for node in [1, 2, 1] {
            let before = acknowledged.load(Ordering::Relaxed);
            eventually("some were counted", || acknowledged.load(Ordering::Relaxed) > before + 20);
            cluster.kill(node);
            cluster.restart(node);
        }
        let before = acknowledged.load(Ordering::Relaxed);
        eventually("it goes on", || acknowledged.load(Ordering::Relaxed) > before + 20);
    });
    let counted: u64 = cluster.connect(2).get("counter").unwrap();
    let (acknowledged, unknown) = (acknowledged.into_inner(), unknown.into_inner());
    assert!(acknowledged <= counted && counted <= acknowledged + unknown);
}

fn a_truncated_store_refuses_to_start_and_says_what_to_do(protocol: Protocol) {
    let mut cluster = Cluster::of(protocol, 3);
    let _: () = cluster.connect(0).set("key", "x".repeat(100_000)).unwrap();
    cluster.stop();
    let path = cluster.data_file(1, "replica");
    let file = File::options().write(true).open(&path).unwrap();
    let whole = file.metadata().unwrap().len();
    for length in [0, 1, 4096, 100_000, whole / 2] {
        file.set_len(length).unwrap();
        let out = output(&mut cluster.command(1));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "at {length} bytes: {said}");
        assert!(said.contains(&path.parent().unwrap().display().to_string()), "{said}");
        assert!(said.contains("bring back the disk"), "{said}");
        assert!(out.stdout.is_empty(), "it does not serve");
    }
}

fn a_node_without_stores_refuses_to_start(protocol: Protocol) {
    let mut cluster = Cluster::of(protocol, 1);
    cluster.stop();
    std::fs::remove_dir_all(cluster.dir.path().join("node-1")).unwrap();
    let out = output(&mut cluster.command(0));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1));
    assert!(said.contains("has no stores in") && said.contains("chainring init"), "{said}");
}

/// What a store is for, and which one it is, it says itself: none is taken for another.
fn no_store_is_taken_for_another(protocol: Protocol) {
    let mut cluster = Cluster::of(protocol, 3);
    let _: () = cluster.connect(0).set("key", "value").unwrap();
    cluster.stop();
    let dir = |node: usize| cluster.dir.path().join(format!("node-{node}"));
    let refuses = |what: &str| {
        let out = output(&mut cluster.command(2));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert!(said.contains(what), "{said}");
    };
    let aside = cluster.dir.path().join("aside");

    // Another node's directory.
    std::fs::rename(dir(3), &aside).unwrap();
    std::fs::rename(dir(1), dir(3)).unwrap();
    refuses("it belongs to a");
    std::fs::rename(dir(3), dir(1)).unwrap();

    // A store made anew after the disk was lost: it would answer that nothing is there.
    let init = run(&["init", "--config", cluster.file().to_str().unwrap(), "--id", "3"]);
    assert!(init.status.success(), "{init:?}");
    refuses("and the cluster file names");
    std::fs::remove_dir_all(dir(3)).unwrap();
    std::fs::rename(&aside, dir(3)).unwrap();

    // Another chain than the stores were made for.
    let text = std::fs::read_to_string(cluster.file()).unwrap();
    let (head, nodes) = text.split_once("[[node]]").unwrap();
    let mut nodes: Vec<_> = nodes.split("[[node]]").collect();
    nodes.swap(0, 1);
    let other = format!("{head}[[node]]{}", nodes.join("[[node]]"));
    std::fs::write(cluster.file(), other).unwrap();
    refuses(&format!("was made for another {}", protocol.name()));
    std::fs::write(cluster.file(), text).unwrap();

    cluster.restart_all();
    let found: String = cluster.connect(2).get("key").unwrap();
    assert_eq!(found, "value");
}

/// Small updates overtake the fragments of a large one at every link. The chain must get through,
/// and be as quick as ever once the load is gone.
#[test]
fn large_values_beside_pipelined_small_ones_do_not_choke_the_chain() {
    let cluster = Cluster::start(3);
    let large = "x".repeat(1 << 20);
    let stop = AtomicBool::new(false);
    let small = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let mut connection = cluster.connect(writer % 3);
            let (stop, small) = (&stop, &small);
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut pipeline = redis::pipe();
                    for key in 0..32 {
                        pipeline.set(format!("{writer}:{key}"), round).ignore();
                    }
                    // Where this machine has much else to do, a deadline may pass.
                    if pipeline.query::<()>(&mut connection).is_ok() {
                        small.fetch_add(32, Ordering::Relaxed);
                    }
                }
            });
        }
        let _stop = Stop(&stop);
        let mut connection = cluster.connect(0);
        for round in 0..20 {
            let key = format!("large:{}", round % 3);
            eventually("a large one gets through", || {
                connection.set::<_, _, ()>(&key, &large).is_ok()
            });
        }
    });
    assert!(small.into_inner() > 32 * 6, "the small ones went on");
    for node in 0..3 {
        let mut connection = cluster.connect(node);
        let _: () = connection.set("after", node).unwrap();
        let found: usize = connection.get("after").unwrap();
        assert_eq!(found, node);
        let length: usize = redis::cmd("STRLEN").arg("large:0").query(&mut connection).unwrap();
        assert_eq!(length, large.len());
    }
}

#[test]
fn mistakes_on_the_command_line_get_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cluster.toml");
    std::fs::write(&file, "cluster = 1\nprotocol = \"raft\"\n").unwrap();
    let file = file.to_str().unwrap();
    let leases = dir.path().join("leases.toml");
    let text = "cluster = 1\nprotocol = \"chain\"\n[timeouts]\nlease = 400\n\n[[node]]\nid = 1\n\
                udp = \"127.0.0.1:1\"\nresp = \"127.0.0.1:2\"\nreplica = 0\ngateway = 1\ndoor = 2\n";
    std::fs::write(&leases, text).unwrap();
    let leases = leases.to_str().unwrap();
    let fixed = dir.path().join("fixed.toml");
    std::fs::write(&fixed, text.replace("[timeouts]\nlease = 400\n", "")).unwrap();
    let fixed = fixed.to_str().unwrap();
    let nowhere = dir.path().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    for (args, what) in [
        (vec!["check", "nonsense"], "there is no model `nonsense`"),
        (vec!["explore", "nonsense"], "there is no model `nonsense`"),
        (vec!["explore", "chain-one", "--mutant", "x"], "there is no mutant `x`"),
        (vec!["node", "--config", file, "--id", "1"], "wrong in line 2"),
        (vec!["node", "--config", "/no/such", "--id", "1"], "cannot read the cluster file"),
        (vec!["node", "--config", leases, "--id", "1"], "lease = 400 is not less than grant = 300"),
        (vec!["leave", "1", "--config", fixed], "a chain has no `leave`"),
        (vec!["join", "--config", fixed], "nobody can join it"),
        (
            vec!["cluster", "chain", "--nodes", "2", "--chains", "3", "--dir", nowhere],
            "give more nodes",
        ),
        (vec!["cluster", "chain", "--coordinators", "5", "--dir", nowhere], "fewer coordinators"),
        (vec!["replay", "/no/such"], "cannot read the trace /no/such"),
        (vec!["replay", file], "is no trace that this version reads"),
    ] {
        let out = run(&args);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.starts_with("chainring: ") && said.contains(what), "{args:?}: {said}");
    }
}

fn redis_cli_and_redis_benchmark_work_through_each_node(protocol: Protocol) {
    if !has_tool("redis-cli", &["--version"]) {
        return;
    }
    let cluster = Cluster::of(protocol, 3);
    for (node, address) in cluster.resp.iter().enumerate() {
        let port = address.port().to_string();
        let cli = |args: &[&str]| {
            let out = output(Command::new("redis-cli").args(["-p", &port]).args(args));
            String::from_utf8_lossy(&out.stdout).trim_end().to_string()
        };
        let (key, value) = (format!("key:of:{node}"), format!("from node {node}"));
        let size = || cli(&["dbsize"]).parse::<usize>().unwrap();
        let before = size();
        assert_eq!(cli(&["set", &key, &value]), "OK");
        assert_eq!(cli(&["get", &key]), value);
        assert_eq!(size(), before + 1);
        assert_eq!(cli(&["--scan", "--pattern", &key]), key);
        assert_eq!(cli(&["del", &key]), "1");
        // Many keys: one key that fifty clients write at once is a ring's slowest case, and ends in
        // `TRYAGAIN` where the machine has other work to do.
        for pipeline in ["1", "16"] {
            let mut benchmark = Command::new("redis-benchmark");
            benchmark
                .args(["-p", &port, "-t", "set,get", "-n", "2000", "-r", "100000", "-c", "50"]);
            let out = output(benchmark.args(["--csv", "-P", pipeline]));
            let [said, complained] =
                [&out.stdout, &out.stderr].map(|it| String::from_utf8_lossy(it));
            let said = format!("{said}{complained}");
            assert!(out.status.success() && !said.contains("Error"), "{said}");
            assert!(said.contains("\"SET\"") && said.contains("\"GET\""), "{said}");
        }
        assert!(size() > before);
    }
}

fn the_python_client_does_a_round(protocol: Protocol) {
    if !has_tool("python3", &["-c", "import redis"]) {
        return;
    }
    let cluster = Cluster::of(protocol, 3);
    let script = r#"
import redis, sys
for port in map(int, sys.argv[1:]):
    for protocol in (2, 3):
        r = redis.Redis(port=port, protocol=protocol)
        assert r.set("k", "v") and r.get("k") == b"v"
        assert r.incr("n") == 1 and r.incrby("n", 41) == 42 and r.decr("n") == 41
        assert r.set("k", "w", nx=True) is None and r.set("k", "w", xx=True, get=True) == b"v"
        assert r.mset({"a": "1", "b": "2"}) and r.mget("a", "b", "c") == [b"1", b"2", None]
        assert sorted(r.scan_iter()) == [b"a", b"b", b"k", b"n"]
        assert r.exists("k", "n", "x") == 2 and r.delete("k", "n", "a", "b", "x") == 4
        assert r.get("k") is None
        assert r.dbsize() == 0
        try:
            r.set("k", "v", ex=1)
            raise SystemExit("expiry was accepted")
        except redis.ResponseError as error:
            assert "expire" in str(error), error
"#;
    let mut python = Command::new("python3");
    python.args(["-c", script]);
    let out = output(python.args(cluster.resp.iter().map(|a| a.port().to_string())));
    assert!(out.status.success(), "{out:?}");
}
