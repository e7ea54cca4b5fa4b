//! Real processes that die, stop and come: the chain goes on with those that are left.

mod harness;

use chainring::config::write;
use chainring_client::Connection;
use harness::{Cluster, Stop, eventually, output, role_of, run};
use redis::{Commands, RedisResult};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Clients increment counters of their own through the nodes that live on. Whichever member is
/// killed, increments are accepted again, none that was acknowledged is lost, and none counts
/// twice.
#[test]
fn the_chain_goes_on_without_its_head_its_middle_or_its_tail() {
    const CLIENTS: usize = 4;
    for victim in 0..3 {
        let mut cluster = Cluster::start(3);
        let survivors: Vec<_> = (0..3).filter(|node| *node != victim).collect();
        let stop = AtomicBool::new(false);
        let acknowledged: [AtomicU64; CLIENTS] = Default::default();
        let unknown: [AtomicU64; CLIENTS] = Default::default();
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let mut connection = cluster.connect(survivors[client % 2]);
                let (stop, acknowledged, unknown) =
                    (&stop, &acknowledged[client], &unknown[client]);
                scope.spawn(move || {
                    let mut newest = 0;
                    while !stop.load(Ordering::Relaxed) {
                        match connection.incr::<_, _, u64>(counter(client), 1) {
                            Ok(number) => {
                                assert!(number > newest, "{number} after {newest}");
                                newest = number;
                                acknowledged.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => {
                                assert_eq!(error.code(), Some("UNKNOWN"), "{error}");
                                unknown.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
            let _stop = Stop(&stop);
            let counts = || acknowledged.each_ref().map(|count| count.load(Ordering::Relaxed));
            eventually("everyone counts", || counts().iter().all(|count| *count > 10));
            cluster.kill(victim);
            let before = counts();
            eventually("everyone counts again", || {
                counts().iter().zip(before).all(|(now, before)| *now > before + 10)
            });
        });

        // Those that are left are head and tail, hold leases, and lag behind nothing.
        cluster.until_role(1, victim, "removed");
        eventually("the two that are left are well", || {
            let status = cluster.status(1);
            let members = status["nodes"].as_array().expect("a list");
            let roles: Vec<_> = members.iter().map(|place| place["role"].as_str()).collect();
            let is_well = |place: &Value| {
                (&place["replica"]["lease"], &place["replica"]["lag"]) == (&true.into(), &0.into())
            };
            status["epoch"].as_u64() > Some(1)
                && roles == [Some("head"), Some("tail"), Some("removed")]
                && members[..2].iter().all(is_well)
                && members[2]["unreachable"].is_string()
                && members[2]["replica"].is_null()
                && status["coordinators"][victim]["reachable"] == false
        });
        let words = cluster.words();
        for line in [
            "members".to_string(),
            format!(
                "  head     node {}    serves {}",
                survivors[0] + 1,
                cluster.resp[survivors[0]]
            ),
            format!("  removed  node {}    unreachable: it does not answer", victim + 1),
            format!("node {} (unreachable)", victim + 1),
        ] {
            assert!(words.contains(&line), "no {line:?} in:\n{words}");
        }

        // Brought back, it serves clients, whatever has become of its replica.
        cluster.restart(victim);
        for node in 0..3 {
            let mut connection = cluster.connect(node);
            for client in 0..CLIENTS {
                let counted: u64 = get(&mut connection, &counter(client));
                let least = acknowledged[client].load(Ordering::Relaxed);
                let most = least + unknown[client].load(Ordering::Relaxed);
                assert!((least..=most).contains(&counted), "{least} <= {counted} <= {most}");
            }
        }
    }
}

fn counter(client: usize) -> String {
    format!("counter:{client}")
}

/// Reads a key that is there. A read that no node could answer in time has changed nothing, and is
/// tried again.
fn get(connection: &mut Connection, key: &str) -> u64 {
    let mut found = None;
    eventually("a read is answered", || {
        let read: RedisResult<u64> = connection.get(key);
        match read {
            Ok(value) => found = Some(value),
            Err(error) => assert_eq!(error.code(), Some("TRYAGAIN"), "{error}"),
        }
        found.is_some()
    });
    found.expect("it was found")
}

/// A member sleeps while it is removed and the key is written again. When it wakes it has a
/// valid-looking lease, a view in which it is the tail, and the old value; and must return nothing
/// that was overwritten before it was asked.
#[test]
fn a_member_that_slept_through_its_removal_never_returns_an_old_value() {
    for victim in [2, 0] {
        let cluster = Cluster::start(3);
        let writer = 1;
        let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
        let reads = AtomicU64::new(0);
        let ask = |connection: &mut Connection| -> RedisResult<u64> {
            let least = written.load(Ordering::SeqCst);
            let found: Option<u64> = connection.get("key")?;
            let found = found.unwrap_or(0);
            assert!(found >= least, "{found} was read after {least} was acknowledged");
            Ok(found)
        };
        // They connect while the victim is awake, and some ask only when it sleeps.
        let mut sleepers: Vec<_> = (0..8).map(|_| cluster.connect(victim)).collect();
        std::thread::scope(|scope| {
            let _stop = Stop(&stop);
            let mut connection = cluster.connect(writer);
            let (stop, written, reads, ask) = (&stop, &written, &reads, &ask);
            scope.spawn(move || {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    if connection.set::<_, _, ()>("key", number).is_ok() {
                        written.store(number, Ordering::SeqCst);
                    }
                }
            });
            for node in [victim, victim, writer] {
                let mut connection = cluster.connect(node);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        if ask(&mut connection).is_ok() && node == victim {
                            reads.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            eventually("the victim reads", || reads.load(Ordering::Relaxed) > 100);
            cluster.process(victim).signal(Signal::STOP);
            cluster.until_role(1, victim, "removed");
            let before = written.load(Ordering::SeqCst);
            eventually("others write", || written.load(Ordering::SeqCst) > before + 20);
            let asking: Vec<_> = (sleepers.iter_mut())
                .map(|sleeper| {
                    let (sent, is_sent) = std::sync::mpsc::channel();
                    let asking = scope.spawn(move || {
                        sent.send(()).expect("somebody waits");
                        ask(sleeper)
                    });
                    is_sent.recv().expect("it runs");
                    asking
                })
                .collect();
            cluster.process(victim).signal(Signal::CONT);
            for asking in asking {
                // An answer may be that no node could answer.
                let _ = asking.join().expect("no old value");
            }
            let before = reads.load(Ordering::Relaxed);
            eventually("the victim's clients read", || {
                reads.load(Ordering::Relaxed) > before + 100
            });
        });
    }
}

/// Six nodes, two chains: any node serves any key, lists cover both chains, and each chain loses a
/// member without the other's knowing.
#[test]
fn two_chains_behind_every_front_door() {
    const KEYS: usize = 60;
    let mut cluster = Cluster::made(&["--nodes", "6", "--chains", "2"]);
    let key = |number| format!("key:{number}");
    for number in 0..KEYS {
        let _: () = cluster.connect(number % 6).set(key(number), number).unwrap();
    }
    let all: BTreeSet<_> = (0..KEYS).map(key).collect();
    let lists_all = |cluster: &Cluster, node: usize| {
        let mut connection = cluster.connect(node);
        let connection = &mut connection;
        eventually("DBSIZE counts both chains", || {
            redis::cmd("DBSIZE").query::<usize>(connection).unwrap() == KEYS
        });
        eventually("KEYS has both chains", || {
            let keys: Vec<String> = connection.keys("key:*").unwrap();
            keys.len() == KEYS && keys.into_iter().collect::<BTreeSet<_>>() == all
        });
        let (mut cursor, mut seen, mut pages) = (0_u64, Vec::new(), 0);
        loop {
            let page: (u64, Vec<String>) =
                redis::cmd("SCAN").arg(cursor).arg("COUNT").arg(7).query(connection).unwrap();
            (cursor, pages) = (page.0, pages + 1);
            seen.extend(page.1);
            if cursor == 0 {
                break;
            }
        }
        assert!(pages >= KEYS / 7, "{pages} pages");
        assert_eq!(seen.len(), KEYS, "each once");
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
    };
    for node in 0..6 {
        let found: Vec<usize> = cluster.connect(node).mget(all.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), (0..KEYS).collect());
    }
    for node in [0, 5] {
        lists_all(&cluster, node);
    }
    let held = |chain| {
        let status = cluster.status(chain);
        let head = status["nodes"].as_array().unwrap().iter().find(|place| place["role"] == "head");
        head.unwrap()["replica"]["keys"].as_u64().unwrap()
    };
    eventually("the heads have applied all", || held(1) + held(2) == KEYS as u64);
    assert!(held(1) > 10 && held(2) > 10, "the keys are spread");

    cluster.kill(0);
    cluster.kill(5);
    for number in 0..KEYS {
        // A write that is unknown may be written again: it is the same one.
        let mut connection = cluster.connect(1 + number % 4);
        eventually("both chains go on", || {
            connection.set::<_, _, ()>(key(number), number + 1000).is_ok()
        });
    }
    let (first, second) =
        (cluster.until_role(1, 0, "removed"), cluster.until_role(2, 5, "removed"));
    assert_eq!((role_of(&first, 1), role_of(&first, 2)), ("head", "tail"));
    assert_eq!((role_of(&second, 3), role_of(&second, 4)), ("head", "tail"));
    for node in 1..5 {
        let found: Vec<usize> = cluster.connect(node).mget(all.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), (1000..1000 + KEYS).collect());
        lists_all(&cluster, node);
    }
}

/// A node is added while others run: they learn where it is, and it serves clients.
#[test]
fn a_node_is_added_to_a_running_cluster() {
    let mut cluster = Cluster::start(3);
    let _: () = cluster.connect(0).set("key", 1).unwrap();
    let file = cluster.file();
    let before = std::fs::read_to_string(&file).unwrap();
    let out = run(&["join", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("node 4 is in") && said.contains("--id 4"), "{said}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(before.trim_end()) && text.contains("joins = true"), "{text}");

    cluster.add();
    cluster.restart(3);
    // Its requests come from an address that the others had never heard of, and so do replies go
    // there.
    let mut connection = cluster.connect(3);
    eventually("the new node serves", || connection.set::<_, _, ()>("key", 2).is_ok());
    assert_eq!(get(&mut connection, "key"), 2);
    for node in 0..3 {
        assert_eq!(get(&mut cluster.connect(node), "key"), 2);
        let log = || std::fs::read_to_string(cluster.log_file(node)).unwrap();
        eventually("it says so", || log().contains("a node was added to the cluster file"));
    }
    let keys: Vec<String> = connection.keys("*").unwrap();
    assert_eq!(keys, ["key"], "it lists what a member holds");

    // Anything else that changes is refused, once, and the nodes go on.
    let changed = text.replace("heartbeat = 100", "heartbeat = 101");
    write(&file, &changed).unwrap();
    let refused = |node: usize| {
        let log = std::fs::read_to_string(cluster.log_file(node)).unwrap();
        log.matches("only nodes that join may be added or forgotten while others run").count()
    };
    eventually("all refuse", || (0..4).all(|node| refused(node) == 1));
    write(&file, &text).unwrap();
    let _: () = connection.set("key", 3).unwrap();
    assert_eq!((0..4).map(refused).collect::<Vec<_>>(), [1; 4]);

    // No node joins what has no such chain, and nothing is left behind.
    let out = run(&["join", "--config", file.to_str().unwrap(), "--chain", "7"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("there is no chain 7"), "{said}");
    assert!(!cluster.dir.path().join("node-5").exists());
}

/// A cluster file as it was before there were coordinators: the chain keeps its members.
#[test]
fn a_chain_without_coordinators_waits_for_its_members() {
    let mut cluster = Cluster::start(3);
    cluster.stop();
    let text = std::fs::read_to_string(cluster.file()).unwrap();
    let fixed = |line: &&str| !line.starts_with("coordinator") && !line.starts_with("store");
    let text: Vec<_> = text.lines().filter(fixed).collect();
    std::fs::write(cluster.file(), text.join("\n")).unwrap();
    let out = output(&mut cluster.command(0));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("was made for another chain"), "{said}");
    for node in 1..4 {
        std::fs::remove_dir_all(cluster.dir.path().join(format!("node-{node}"))).unwrap();
        let id = node.to_string();
        let out = run(&["init", "--config", cluster.file().to_str().unwrap(), "--id", &id]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    cluster.restart_all();
    let _: () = cluster.connect(0).set("key", 1).unwrap();
    cluster.kill(1);
    let done = Mutex::new(false);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut connection = cluster.connect(2);
        let (done, stop) = (&done, &stop);
        scope.spawn(move || {
            // Unknown where this machine is so slow that the deadline passes; then it is tried
            // again.
            while connection.set::<_, _, ()>("key", 2).is_err() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            *done.lock().unwrap() = true;
        });
        let received = || cluster.status(1)["nodes"][2]["replica"]["lag"] == 1;
        let _stop = Stop(stop);
        eventually("the head has logged it", received);
        assert!(!*done.lock().unwrap(), "a write needs every member");
        cluster.restart(1);
        eventually("it is done", || *done.lock().unwrap());
    });
    assert_eq!(get(&mut cluster.connect(1), "key"), 2);
    assert!(cluster.words().contains("nobody decides about its members"));
}
