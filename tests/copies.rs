//! Copies of a ring: a node that missed writes gets them, no node leaves a ring that cannot spare
//! it, and what gives up data asks a majority.

mod harness;

use chainring::config::Cluster as File;
use chainring_model::ring::place::position;
use chainring_model::ring::{Key, Row};
use chainring_model::store::Store;
use chainring_runtime::store::{LmdbDisk, LmdbOptions};
use harness::{Cluster, Protocol, Setup, eventually, run};
use redis::Commands;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long copies may be missing after their node is back, by the documentation: a round of
/// comparing and the rest after it, and as much again for a busy machine.
const BOUND: Duration = Duration::from_secs(25);

/// Of each key, how many of its replicas' stores hold this value.
fn copies(cluster: &Cluster, keys: &[String], value: &str) -> Vec<usize> {
    let file = File::read(&cluster.file()).expect("a file of ours");
    let view = file.first_ring();
    let stores: Vec<_> = (0..cluster.resp.len())
        .map(|node| {
            let path = cluster.data_file(node, "replica");
            let (dir, kind) = (path.parent().expect("a directory"), format!("replica {node}"));
            let disk: LmdbDisk<Key, Row> =
                LmdbDisk::open(dir, file.cluster, &kind, LmdbOptions::default()).expect("a store");
            disk.store()
        })
        .collect();
    let holds = |node: usize, key: &String| match stores[node]
        .get(&Key::Register(position(key.as_bytes()), key.as_str().into()))
    {
        Some(Row::Register(register)) => {
            register.content.value.is_some_and(|held| held[..] == *value.as_bytes())
        }
        _ => false,
    };
    let of_key = |key: &String| {
        let replicas = view.replicas(position(key.as_bytes())).into_iter();
        replicas.filter(|replica| holds(usize::from(*replica), key)).count()
    };
    keys.iter().map(of_key).collect()
}

/// The place of a node (from 0) in what `chainring status --json` says.
fn place(report: &Value, node: usize) -> Value {
    let places = report["nodes"].as_array().expect("a list");
    let place = places.iter().find(|place| place["node"] == node + 1);
    place.expect("every node has a place").clone()
}

/// One of five is killed, sixty keys are written, and it starts again at once: it gets what it has
/// missed, without any read.
#[test]
fn a_node_that_missed_writes_gets_them_without_any_read() {
    let mut cluster = Cluster::of(Protocol::Ring, 5);
    let keys: Vec<_> = (0..60).map(|n| format!("key:{n}")).collect();
    let mut connection = cluster.connect(0);
    for key in &keys {
        let _: () = connection.set(key, "old").expect("all nodes are there");
    }
    cluster.kill(4);
    for key in &keys {
        let _: () = connection.set(key, "new").expect("two of three are there");
    }
    cluster.restart(4);
    let start = Instant::now();
    let mut report = Value::Null;
    eventually("the node has compared everything, and lacks nothing", || {
        report = cluster.report();
        let copies = &place(&report, 4)["copies"];
        let is_whole = copies["unheard"].as_array().is_some_and(Vec::is_empty);
        report["stable"] == true
            && copies["compared_ms_ago"].is_u64()
            && copies["behind"] == 0
            && is_whole
    });
    let took = start.elapsed();
    let copied = place(&report, 4)["copies"]["copied"].as_u64();
    println!("{took:?} after its start the node had copied {copied:?} registers");
    assert!(took < BOUND, "{took:?}");
    assert!(copied > Some(0), "it has missed writes: {report}");
    assert_eq!(report["copies_missing"], 0);
    assert_eq!(
        report["epoch"], 1,
        "nobody was replaced, so it was no newcomer that fetched: {report}"
    );
    cluster.stop();
    assert_eq!(copies(&cluster, &keys, "new"), vec![3; keys.len()]);
}

#[test]
fn nobody_leaves_a_ring_that_cannot_spare_it() {
    let cluster = Cluster::of(Protocol::Ring, 3);
    let file = cluster.file();
    let out = run(&["leave", "2", "--config", file.to_str().expect("text")]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success(), "{said}");
    assert!(said.contains("node 2 stays") && said.contains("join"), "{said}");
    // The node that is told refuses, too, whatever told it.
    let told = redis::cmd("CHAINRING").arg("LEAVE").exec(&mut cluster.connect(1));
    let error = told.expect_err("it is refused").to_string();
    assert!(error.contains("a ring of 3 nodes that keeps 3 copies of each key"), "{error}");
    let report = cluster.report();
    assert_eq!(place(&report, 1)["wants_to_leave"], false, "nothing was begun: {report}");
}

/// With two of three coordinators out of reach, the one that is left may be the one that is cut
/// off.
#[test]
fn what_a_minority_of_the_coordinators_says_gives_nobody_up() {
    let mut cluster = Cluster::of(Protocol::Ring, 3);
    cluster.kill(1);
    cluster.kill(2);
    eventually("the last one is alone", || cluster.report()["claimed"].as_u64() > Some(0));
    let words = cluster.words();
    assert!(words.contains("2 of 3 coordinators could not be asked"), "{words}");
    assert!(words.contains("start these again"), "{words}");
    assert!(!words.contains("NO MAJORITY"), "{words}");
    let file = cluster.file();
    let out = run(&["reform", "--all", "--yes", "--config", file.to_str().expect("text")]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("nothing is given up"), "{said}");
    assert!(
        said.contains("node 2: ") && said.contains("node 3: "),
        "whom it could not ask: {said}"
    );
}

#[test]
fn files_that_differ_in_what_is_given_up_are_told_of() {
    let mut cluster = Cluster::set_up(Setup {
        protocol: Protocol::Ring,
        options: &["--nodes", "3"],
        on_quorum_loss: Some("on-quorum-loss = \"reform\"\nreform-after = 30\n"),
        ..Setup::default()
    });
    assert_eq!(cluster.report()["differences"].as_object().map(|all| all.len()), Some(0));
    let text = std::fs::read_to_string(cluster.file()).expect("a file of ours");
    let other = text.replace("on-quorum-loss = \"reform\"", "on-quorum-loss = \"wait\"");
    assert_ne!(text, other);
    std::fs::write(cluster.file(), other).expect("it can be written");
    cluster.kill(2);
    cluster.restart(2);
    let mut words = String::new();
    eventually("the difference is told", || {
        words = cluster.words();
        words.contains("DIFFER in on-quorum-loss")
    });
    assert!(words.contains("reform after 30 s at node 1, node 2; wait at node 3"), "{words}");
}
