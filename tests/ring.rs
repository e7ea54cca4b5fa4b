//! Real processes that form a ring: what it promises its users, while nodes die, come and go.

mod harness;

use chainring::config::Cluster as File;
use chainring_client::Connection;
use chainring_model::ring::place::position;
use chainring_model::ring::{Key, Row, View};
use chainring_model::store::Store;
use chainring_runtime::store::{LmdbDisk, LmdbOptions};
use harness::{Cluster, PATIENCE, Protocol, Setup, Stop, eventually, output, run};
use redis::{Commands, RedisError, RedisResult};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What every operation is done or refused within: its deadline, and what a busy machine adds.
const DEADLINE: Duration = Duration::from_secs(15);

/// A ring of ten nodes.
fn ten() -> Cluster {
    Cluster::of(Protocol::Ring, 10)
}

/// The view that a cluster begins with.
fn first_view(cluster: &Cluster) -> View {
    File::read(&cluster.file()).expect("a file of ours").first_ring()
}

/// The nodes (from 0) that hold a key in a view; replicas are numbered as nodes are.
fn replicas(view: &View, key: &str) -> Vec<usize> {
    view.replicas(position(key.as_bytes())).into_iter().map(usize::from).collect()
}

/// Keys, and two nodes that hold all of them and decide nothing.
fn keys_of_a_pair(view: &View, count: usize) -> (Vec<String>, [usize; 2]) {
    let pairs = (3..10).flat_map(|one| (one + 1..10).map(move |other| [one, other]));
    let held_by = |pair: [usize; 2]| {
        let names = (0..2000).map(|n| format!("pair:{n}"));
        let keys = names.filter(|name| pair.iter().all(|node| replicas(view, name).contains(node)));
        (keys.take(count).collect::<Vec<_>>(), pair)
    };
    let found = pairs.map(held_by).find(|(keys, _)| keys.len() == count);
    found.expect("some two nodes have keys in common")
}

fn create(connection: &mut Connection, key: &str, value: &str) -> RedisResult<bool> {
    let set = redis::cmd("SET").arg(key).arg(value).arg("NX").query::<Option<String>>(connection);
    set.map(|set| set.is_some())
}

fn update(connection: &mut Connection, key: &str, value: &str) -> RedisResult<bool> {
    let set = redis::cmd("SET").arg(key).arg(value).arg("XX").query::<Option<String>>(connection);
    set.map(|set| set.is_some())
}

fn read(connection: &mut Connection, key: &str) -> RedisResult<Option<String>> {
    connection.get(key)
}

/// All keys, as SCAN lists them page by page.
fn scan(connection: &mut Connection) -> Vec<String> {
    let (mut cursor, mut seen) = (0_u64, Vec::new());
    loop {
        let page: (u64, Vec<String>) = (redis::cmd("SCAN").arg(cursor).arg("COUNT").arg(50))
            .query(connection)
            .expect("a page");
        cursor = page.0;
        seen.extend(page.1);
        if cursor == 0 {
            return seen;
        }
    }
}

fn size(connection: &mut Connection) -> usize {
    redis::cmd("DBSIZE").query(connection).expect("a number")
}

/// The role of a node (from 0) in what `chainring status --json` says.
fn role(report: &Value, node: usize) -> String {
    let places = report["nodes"].as_array().expect("a list");
    let place = places.iter().find(|place| place["node"] == node + 1);
    place.and_then(|place| place["role"].as_str()).unwrap_or("not there").to_string()
}

/// Waits until the ring is stable with these nodes (from 0) in it, and no others.
fn until_members(cluster: &Cluster, members: &[usize]) -> Value {
    let mut report = Value::Null;
    eventually(&format!("the ring is stable with {members:?}"), || {
        report = cluster.report();
        let is_member = |node: &usize| role(&report, *node) == "member";
        let found: Vec<_> = (0..cluster.resp.len()).filter(is_member).collect();
        report["stable"] == true && found == members
    });
    report
}

fn is_unavailable(error: &RedisError) -> bool {
    matches!(error.code(), Some("TRYAGAIN" | "UNKNOWN"))
}

#[test]
fn ten_nodes_serve_every_key_through_any_node() {
    const KEYS: usize = 100;
    let cluster = ten();
    let mut nodes: Vec<_> = (0..10).map(|node| cluster.connect(node)).collect();
    let key = |n: usize| format!("key:{n}");
    for n in 0..KEYS {
        let _: () = nodes[n % 10].set(key(n), n).unwrap();
        let found: usize = nodes[(n + 3) % 10].get(key(n)).unwrap();
        assert_eq!(found, n);
    }
    for (count, node) in nodes.iter_mut().enumerate() {
        let counted: usize = node.incr("counter", 1).unwrap();
        assert_eq!(counted, count + 1);
    }
    let all: BTreeSet<_> = (0..KEYS).map(key).chain(["counter".to_string()]).collect();
    for node in [0, 9] {
        let listed = scan(&mut nodes[node]);
        assert_eq!(listed.len(), all.len(), "each once");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), all);
        let listed: Vec<String> = nodes[node].keys("key:*").unwrap();
        assert_eq!(listed.len(), KEYS);
        assert_eq!(size(&mut nodes[node]), all.len());
    }
    assert!(!create(&mut nodes[4], &key(0), "x").unwrap(), "it is there");
    assert!(!update(&mut nodes[5], "no such", "x").unwrap(), "it is not there");
    let swapped: Option<String> =
        (redis::cmd("SET").arg(key(1)).arg("new").arg("IFEQ").arg(1)).query(&mut nodes[6]).unwrap();
    assert_eq!(swapped.as_deref(), Some("OK"));
    let found: Vec<Option<String>> = nodes[7].mget(vec![key(1), key(2), "no such".into()]).unwrap();
    assert_eq!(found, [Some("new".into()), Some("2".into()), None]);
    let deleted: usize = nodes[8].del(vec![key(1), key(2), "no such".into()]).unwrap();
    assert_eq!(deleted, 2);
    assert_eq!(size(&mut nodes[1]), all.len() - 2);

    // A key that is too long for a ring is refused with its limit, and nothing else happens.
    let longest = "k".repeat(chainring_model::ring::MAX_KEY_BYTES);
    let _: () = nodes[0].set(&longest, "v").unwrap();
    let error = nodes[0].set::<_, _, ()>(longest + "k", "v").unwrap_err().to_string();
    assert!(error.contains("longer than the limit of 502 bytes"), "{error}");

    let mut words = String::new();
    eventually("the ring is healthy", || {
        words = cluster.words();
        words.starts_with("HEALTHY: 10 of 10 nodes, 3 of 3 coordinators\n")
    });
    assert!(words.contains("\nring, epoch 1 (stable): 10 members, 3 replicas a key"), "{words}");
    assert!(words.contains("decided by node 1; node 2; node 3"), "{words}");
}

#[test]
fn nobody_notices_that_one_node_is_killed_and_it_returns_from_its_disk() {
    const KEYS: usize = 60;
    let mut cluster = ten();
    let key = |n: usize| format!("key:{n}");
    let mut connection = cluster.connect(0);
    for n in 0..KEYS {
        let _: () = connection.set(key(n), n).unwrap();
    }
    let victim =
        replicas(&first_view(&cluster), &key(0)).into_iter().find(|node| *node > 0).unwrap();
    cluster.kill(victim);
    let start = Instant::now();
    for n in 0..KEYS {
        let found: usize = connection.get(key(n)).unwrap();
        assert_eq!(found, n);
        let _: () = connection.set(key(n), n + 1000).unwrap();
    }
    assert_eq!(scan(&mut connection).into_iter().collect::<BTreeSet<_>>().len(), KEYS);
    assert_eq!(size(&mut connection), KEYS);
    assert!(start.elapsed() < PATIENCE);

    // It is found out, and others take over what it held, while clients go on.
    let others: Vec<_> = (0..10).filter(|node| *node != victim).collect();
    until_members(&cluster, &others);
    for n in 0..KEYS {
        let found: usize = connection.get(key(n)).unwrap();
        assert_eq!(found, n + 1000);
    }
    assert_eq!(size(&mut connection), KEYS);
    let words = cluster.words();
    assert!(words.contains(&format!("outside  node {}", victim + 1)), "{words}");

    // Its disk is lost: it must not answer from nothing.
    let dir = cluster.dir.path().join(format!("node-{}", victim + 1));
    let aside = cluster.dir.path().join("aside");
    std::fs::rename(&dir, &aside).unwrap();
    let refuses = |cluster: &Cluster, what: &str| {
        let out = output(&mut cluster.command(victim));
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert!(said.contains(what), "{said}");
    };
    refuses(&cluster, "has no stores in");
    let id = (victim + 1).to_string();
    assert!(
        run(&["init", "--config", cluster.file().to_str().unwrap(), "--id", &id]).status.success()
    );
    refuses(&cluster, "what the ring relies on it for: bring the old one back");
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::rename(&aside, &dir).unwrap();

    // From its disk, it joins again by itself.
    cluster.restart(victim);
    until_members(&cluster, &(0..10).collect::<Vec<_>>());
    let mut connection = cluster.connect(victim);
    for n in 0..KEYS {
        let found: usize = connection.get(key(n)).unwrap();
        assert_eq!(found, n + 1000);
    }
    assert_eq!(size(&mut connection), KEYS);
}

/// All clients write one key, each through a node of its own: none is kept from it, and nothing
/// counts twice.
#[test]
fn rivals_for_a_key_all_get_on() {
    const RIVALS: usize = 3;
    let cluster = Cluster::of(Protocol::Ring, RIVALS);
    let counts: [AtomicU64; RIVALS] = Default::default();
    let unknown = AtomicU64::new(0);
    let all_have = || counts.iter().all(|count| count.load(Ordering::Relaxed) >= 100);
    std::thread::scope(|scope| {
        for (rival, count) in counts.iter().enumerate() {
            let mut connection = cluster.connect(rival);
            let (all_have, unknown) = (&all_have, &unknown);
            scope.spawn(move || {
                // A client that has enough goes on, for the others' sake.
                eventually("all rivals have written a hundred times", || {
                    match connection.incr::<_, _, u64>("key", 1) {
                        Ok(_) => count.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error.code(), Some("UNKNOWN"), "{error}");
                            unknown.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                    all_have()
                });
            });
        }
    });
    let acknowledged: u64 = counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    let most = acknowledged + unknown.load(Ordering::Relaxed);
    let counted: u64 = cluster.connect(0).get("key").unwrap();
    assert!((acknowledged..=most).contains(&counted), "{acknowledged} to {most}, but {counted}");
}

/// Increments go on while one joins and another leaves; none is lost, and none counts twice.
#[test]
fn a_node_joins_and_another_leaves_while_clients_go_on() {
    const CLIENTS: usize = 3;
    let mut cluster = Cluster::of(Protocol::Ring, 4);
    for n in 0..200 {
        let _: () = cluster.connect(n % 4).set(format!("old:{n}"), n).unwrap();
    }
    let file = cluster.file();
    let file = file.to_str().unwrap();
    let stop = AtomicBool::new(false);
    let acknowledged: [AtomicU64; CLIENTS] = Default::default();
    let unknown: [AtomicU64; CLIENTS] = Default::default();
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for client in 0..CLIENTS {
            let mut connection = cluster.connect(client);
            let (stop, acknowledged, unknown) = (&stop, &acknowledged[client], &unknown[client]);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    match connection.incr::<_, _, u64>(format!("counter:{client}"), 1) {
                        Ok(_) => acknowledged.fetch_add(1, Ordering::Relaxed),
                        Err(error) if error.code() == Some("TRYAGAIN") => 0,
                        Err(_) => unknown.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
        let counts = || acknowledged.each_ref().map(|count| count.load(Ordering::Relaxed));
        let all_get_on = || {
            let before = counts();
            eventually("everyone counts", || {
                counts().iter().zip(before).all(|(now, before)| *now > before + 10)
            });
        };
        all_get_on();
        let out = run(&["join", "--config", file]);
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success() && said.contains("to join the ring"), "{said}");
        cluster.add();
        cluster.restart(4);
        until_members(&cluster, &[0, 1, 2, 3, 4]);
        all_get_on();
        let out = run(&["leave", "4", "--config", file]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        until_members(&cluster, &[0, 1, 2, 4]);
        all_get_on();
    });
    // A node that has left serves clients as any other does, and stays away when it is started
    // again.
    cluster.kill(3);
    cluster.restart(3);
    let mut connection = cluster.connect(3);
    for client in 0..CLIENTS {
        let counted: u64 = connection.get(format!("counter:{client}")).unwrap();
        let least = acknowledged[client].load(Ordering::Relaxed);
        let most = least + unknown[client].load(Ordering::Relaxed);
        assert!((least..=most).contains(&counted), "{least} <= {counted} <= {most}");
    }
    for n in 0..200 {
        let found: usize = connection.get(format!("old:{n}")).unwrap();
        assert_eq!(found, n);
    }
    assert_eq!(size(&mut connection), 200 + CLIENTS);
    assert_eq!(role(&cluster.report(), 3), "outside");
    assert!(run(&["join", "--id", "4", "--config", file]).status.success());
    until_members(&cluster, &[0, 1, 2, 3, 4]);

    // Mistakes get a sentence.
    for (args, what) in [
        (vec!["leave", "9"], "has no node 9"),
        (vec!["reform"], "chainring reform --all"),
        (vec!["reform", "7"], "every range has a majority"),
        (vec!["reform", "--all", "--yes"], "every range has a majority"),
        (vec!["cluster", "ring", "--dir", "/tmp", "--chains", "2"], "leave --chains out"),
    ] {
        let config = ["--config", file];
        let args = if args[0] == "cluster" { args } else { [&args[..], &config].concat() };
        let out = run(&args);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && said.contains(what), "{args:?}: {said}");
    }
}

// What follows are the four test programs of the project that the ring grew from: create, delete,
// read, update.

/// The lines of all nodes' logs that say so.
fn logged(cluster: &Cluster, what: &str) -> usize {
    let log = |node| std::fs::read_to_string(cluster.log_file(node)).unwrap_or_default();
    (0..10).map(|node| log(node).lines().filter(|line| line.contains(what)).count()).sum()
}

#[test]
fn a_hundred_creates_have_three_replicas_each_and_half_of_them_are_deleted() {
    const KEYS: usize = 100;
    let mut cluster = Cluster::set_up(Setup {
        protocol: Protocol::Ring,
        options: &["--nodes", "10"],
        log: Some("info,chainring::operations=debug"),
        ..Setup::default()
    });
    let key = |n: usize| format!("key:{n}");
    let mut connection = cluster.connect(9);
    for n in 0..KEYS {
        assert!(create(&mut connection, &key(n), "value").unwrap());
    }
    eventually("all replicas have logged", || {
        // Once by the proposer, and once by each replica.
        logged(&cluster, "create success") >= 4 * KEYS
    });
    cluster.stop();
    let view = first_view(&cluster);
    for n in 0..KEYS {
        assert_eq!(holders(&cluster, &key(n)), BTreeSet::from_iter(replicas(&view, &key(n))));
    }

    cluster.restart_all();
    let mut connection = cluster.connect(4);
    for n in 0..KEYS / 2 {
        let deleted: usize = connection.del(key(n)).unwrap();
        assert_eq!(deleted, 1);
    }
    eventually("all replicas have logged", || logged(&cluster, "delete success") >= 4 * (KEYS / 2));
    for n in 0..KEYS {
        let found = read(&mut connection, &key(n)).unwrap();
        assert_eq!(found.is_some(), n >= KEYS / 2);
    }
    assert_eq!(size(&mut connection), KEYS / 2);

    // What is not there cannot be deleted, read or updated, and the log says so.
    let deleted: usize = connection.del("invalid").unwrap();
    assert_eq!(deleted, 0);
    assert_eq!(read(&mut connection, "invalid").unwrap(), None);
    assert!(!update(&mut connection, "invalid", "x").unwrap());
    for (what, least) in [("delete fail", 1), ("read fail", 1 + 2), ("update fail", 1)] {
        eventually(what, || logged(&cluster, what) >= least);
    }
    let log = std::fs::read_to_string(cluster.log_file(4)).unwrap();
    let line = log.lines().find(|line| line.contains("delete fail")).unwrap();
    for part in ["INFO", "chainring::operations", "invalid", "absent", "op="] {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

/// The nodes (from 0) whose stores hold a value of a key, as a vote.
fn holders(cluster: &Cluster, key: &str) -> BTreeSet<usize> {
    let file = File::read(&cluster.file()).expect("a file of ours");
    let at = Key::Register(position(key.as_bytes()), key.into());
    let holds = |node: &usize| {
        let path = cluster.data_file(*node, "replica");
        let (dir, kind) = (path.parent().expect("a directory"), format!("replica {node}"));
        let disk: LmdbDisk<Key, Row> =
            LmdbDisk::open(dir, file.cluster, &kind, LmdbOptions::default()).expect("a store");
        match disk.store().get(&at) {
            Some(Row::Register(register)) => register.voted && register.content.value.is_some(),
            _ => false,
        }
    };
    (0..10).filter(holds).collect()
}

#[test]
fn reads_and_updates_survive_one_replica_and_do_not_notice_a_stranger() {
    let mut cluster = ten();
    let mut connection = cluster.connect(0);
    let (keys, [one, other]) = keys_of_a_pair(&first_view(&cluster), 1);
    let key = &keys[0];
    assert!(create(&mut connection, key, "1").unwrap());
    let stranger =
        (3..10).find(|node| !replicas(&first_view(&cluster), key).contains(node)).unwrap();
    cluster.kill(stranger);
    assert_eq!(read(&mut connection, key).unwrap().as_deref(), Some("1"));
    assert!(update(&mut connection, key, "2").unwrap());
    cluster.kill(one);
    assert_eq!(read(&mut connection, key).unwrap().as_deref(), Some("2"));
    assert!(update(&mut connection, key, "3").unwrap());
    cluster.restart(one);
    assert_eq!(read(&mut cluster.connect(one), key).unwrap().as_deref(), Some("3"));
    assert_eq!(read(&mut cluster.connect(other), key).unwrap().as_deref(), Some("3"));
}

/// Operations on a key of which two replicas are dead end in time, with an error that says that
/// nothing, or nothing certain, has happened.
fn fails_in_time(connection: &mut Connection, key: &str) {
    let start = Instant::now();
    let error = read(connection, key).expect_err("one of three is no quorum");
    assert_eq!(error.code(), Some("TRYAGAIN"), "{error}");
    assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
    let start = Instant::now();
    let error = update(connection, key, "lost").expect_err("one of three is no quorum");
    assert!(is_unavailable(&error), "{error}");
    assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
}

#[test]
fn a_range_that_lost_two_replicas_waits_for_one_of_them() {
    let mut cluster = ten();
    let mut connection = cluster.connect(0);
    let (keys, [one, other]) = keys_of_a_pair(&first_view(&cluster), 2);
    for key in &keys {
        assert!(create(&mut connection, key, "1").unwrap());
    }
    cluster.kill(one);
    cluster.kill(other);
    fails_in_time(&mut connection, &keys[0]);
    eventually("it is found out", || cluster.report()["without_majority"].as_u64() > Some(0));
    let words = cluster.words();
    assert!(words.contains("ranges have NO MAJORITY"), "{words}");
    fails_in_time(&mut connection, &keys[1]);
    // Others are to take over, and wait: nothing is given up.
    eventually("others are to take over", || role(&cluster.report(), other) == "leaving");

    cluster.restart(other);
    for key in &keys {
        eventually("its disk has it", || {
            read(&mut connection, key).is_ok_and(|found| found.is_some())
        });
        eventually("it is written again", || {
            update(&mut connection, key, "2").is_ok_and(|set| set)
        });
        assert_eq!(read(&mut connection, key).unwrap().as_deref(), Some("2"));
    }
}

#[test]
fn a_range_that_lost_two_replicas_is_reformed_where_an_operator_wants_that() {
    for asked in ["by itself", "--all", "a range"] {
        let by_itself = asked == "by itself";
        let gives_up = "on-quorum-loss = \"reform\"\nreform-after = 1\n";
        let mut cluster = Cluster::set_up(Setup {
            protocol: Protocol::Ring,
            options: &["--nodes", "10"],
            on_quorum_loss: by_itself.then_some(gives_up),
            log: Some("info,chainring::operations=debug"),
            ..Setup::default()
        });
        let mut connection = cluster.connect(0);
        let (keys, [one, other]) = keys_of_a_pair(&first_view(&cluster), 2);
        for key in &keys {
            assert!(create(&mut connection, key, "1").unwrap());
        }
        // The third replica has them, too, so that nothing is lost here.
        eventually("all replicas have logged", || {
            logged(&cluster, "create success") >= 4 * keys.len()
        });
        cluster.kill(one);
        cluster.kill(other);
        if !by_itself {
            fails_in_time(&mut connection, &keys[0]);
            eventually("it is found out", || {
                cluster.report()["without_majority"].as_u64() > Some(0)
            });
            let file = cluster.file();
            let file = ["--config", file.to_str().unwrap()];
            let mistaken = run(&[&["reform", "range", "--yes"], &file[..]].concat());
            let said = String::from_utf8_lossy(&mistaken.stderr).into_owned();
            assert!(!mistaken.status.success() && said.contains("ends at `range`"), "{said}");
            let lost = cluster.report()["lost_ranges"][0].clone();
            assert_eq!(lost["gone"].as_array().map(Vec::len), Some(2), "{lost}");
            let upto = lost["upto"].as_str().unwrap();
            let what = if asked == "--all" { asked } else { upto };
            let unsure = run(&[&["reform", what], &file[..]].concat());
            assert!(!unsure.status.success(), "nobody has typed anything");
            let out = run(&[&["reform", what, "--yes"], &file[..]].concat());
            let said = String::from_utf8_lossy(&out.stdout).into_owned();
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            assert!(said.contains("is LOST") && said.contains("given up: node"), "{said}");
        }
        let others: Vec<_> = (0..10).filter(|node| ![one, other].contains(node)).collect();
        let report = until_members(&cluster, &others);
        assert_eq!(report["without_majority"], 0);
        for key in &keys {
            assert!(read(&mut connection, key).unwrap().is_some());
            assert!(update(&mut connection, key, "2").unwrap());
            assert_eq!(read(&mut connection, key).unwrap().as_deref(), Some("2"));
        }
    }
}

/// Coordinators, members, a removed node and one that comes back: all of it is executed again.
#[test]
fn a_change_of_the_ring_replays_step_by_step() {
    let mut cluster = Cluster::traced(Protocol::Ring, 4);
    let mut connection = cluster.connect(1);
    for value in 0..50 {
        let _: () = connection.set(format!("key:{}", value % 20), value).unwrap();
    }
    cluster.kill(3);
    until_members(&cluster, &[0, 1, 2]);
    cluster.restart(3);
    until_members(&cluster, &[0, 1, 2, 3]);
    assert_eq!(size(&mut connection), 20);
    cluster.stop();
    let files: Vec<_> = (0..4).map(|node| cluster.trace_file(node)).collect();
    let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let out = run(&[&["replay", "--json"], &files[..]].concat());
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["files"], &report["starts"]), (&4.into(), &5.into()), "{said}");
    assert!(report["received"].as_u64() > Some(300), "{said}");
}
