//! How many copies a chain keeps: views change for the dead, and no pause leaves one member alone.

mod harness;

use harness::{Cluster, Stop, eventually, run};
use redis::{Commands, RedisResult};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// Puts other timeouts, and something at the top, into a cluster's file, and starts all nodes
/// again.
fn restart_with(cluster: &mut Cluster, top: &str, suspect: Option<&str>) {
    cluster.stop();
    let text = std::fs::read_to_string(cluster.file()).unwrap();
    let (head, rest) = text.split_once("[timeouts]").expect("the harness writes some");
    let (timeouts, nodes) = rest.split_once("[[node]]").expect("there are nodes");
    let timeouts = suspect.unwrap_or(timeouts);
    let text = format!("{top}{head}[timeouts]\n{timeouts}\n[[node]]{nodes}");
    std::fs::write(cluster.file(), text).unwrap();
    cluster.restart_all();
}

/// The members of every view that a node has logged.
fn views(cluster: &Cluster) -> BTreeSet<(u64, usize)> {
    let mut views = BTreeSet::new();
    for node in 0..cluster.resp.len() {
        let log = std::fs::read_to_string(cluster.log_file(node)).unwrap();
        for line in log.lines() {
            let Some((_, epoch)) = line.split_once("epoch=") else { continue };
            let Some((_, view)) = line.split_once("from head to tail: node") else { continue };
            let epoch: String = epoch.chars().take_while(char::is_ascii_digit).collect();
            // A learner, and how many copies suffice, stand behind the members.
            let members = view.trim_start_matches('s').split(", ");
            let members = members.map_while(|id| id.trim().trim_matches('"').parse::<u32>().ok());
            views.insert((epoch.parse().expect("a number"), members.count()));
        }
    }
    views
}

/// Node 2 is paused, and while it learns again node 3 is, ten times: no node has died. Silence is
/// suspected after less than the pause. No view has fewer than two members, and what was
/// acknowledged is there.
#[test]
fn pauses_leave_no_member_alone() {
    const ROUNDS: usize = 10;
    let mut cluster = Cluster::start(3);
    let short = "heartbeat = 25\nlease = 120\ngrant = 150\nsuspect = 150\n";
    restart_with(&mut cluster, "", Some(short));
    let mut connection = cluster.connect(0);
    let value = vec![b'x'; 400];
    for batch in 0..100 {
        let mut pipe = redis::pipe();
        for number in 0..200 {
            pipe.set(format!("old:{}", batch * 200 + number), &value[..]).ignore();
        }
        eventually("a batch is stored", || pipe.query::<()>(&mut connection).is_ok());
    }
    let stop = AtomicBool::new(false);
    let acknowledged = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        let (stop, acknowledged) = (&stop, &acknowledged);
        for client in 0..2 {
            let mut connection = cluster.connect(0);
            scope.spawn(move || {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let key = format!("new:{client}:{number}");
                    if connection.set::<_, _, ()>(&key, number).is_ok() {
                        acknowledged.lock().unwrap().push((key, number));
                    }
                }
            });
        }
        for _ in 0..ROUNDS {
            for node in [1, 2] {
                cluster.process(node).signal(Signal::STOP);
                sleep(Duration::from_millis(400)); // what is tested is a pause of this length
                cluster.process(node).signal(Signal::CONT);
                sleep(Duration::from_millis(100));
            }
            let before = acknowledged.lock().unwrap().len();
            eventually("writes go on", || acknowledged.lock().unwrap().len() > before + 10);
        }
        eventually("three are members", || {
            let status = cluster.status(1);
            let places = status["nodes"].as_array().expect("a list");
            places.iter().all(|place| {
                ["head", "middle", "tail"].contains(&place["role"].as_str().unwrap_or_default())
            })
        });
    });
    let views = views(&cluster);
    println!("{} views: {views:?}", views.len());
    assert!(views.iter().any(|(_, members)| *members == 2), "no pause was noticed: {views:?}");
    assert!(views.iter().all(|(_, members)| *members >= 2), "{views:?}");
    let acknowledged = acknowledged.into_inner().unwrap();
    println!("{} writes", acknowledged.len());
    for keys in acknowledged.chunks(500) {
        let names: Vec<_> = keys.iter().map(|(key, _)| key).collect();
        let mut found = Vec::new();
        eventually("they are read", || {
            let read: RedisResult<Vec<Option<u64>>> = connection.mget(&names);
            read.map(|values| found = values).is_ok()
        });
        let expected: Vec<_> = keys.iter().map(|(_, number)| Some(*number)).collect();
        assert_eq!(found, expected);
    }
}

/// Three copies are to be kept, and one of three dies: writes wait for it, until an operator says
/// that it will not come back; and when it does, there are three again.
#[test]
fn an_operator_gives_up_a_member_for_want_of_which_writes_wait() {
    let mut cluster = Cluster::start(3);
    restart_with(&mut cluster, "min-copies = 3\n", None);
    let mut connection = cluster.connect(0);
    eventually("writes go on", || connection.set::<_, _, ()>("key", 1).is_ok());
    let file = cluster.file();
    let reform = |arguments: &[&str]| {
        let out =
            run(&[&["reform", "--yes", "--config", file.to_str().unwrap()], arguments].concat());
        let said = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (done, said) = reform(&["--all"]);
    assert!(!done && said.contains("nobody has to be given up"), "{said}");
    let (done, said) = reform(&["3"]);
    assert!(!done && said.contains("node 3 answers"), "{said}");

    cluster.kill(2);
    eventually("all coordinators suspect it", || {
        let status = cluster.status(1);
        let coordinators = status["coordinators"].as_array().expect("a list");
        let suspect = |it: &&serde_json::Value| it["suspects"] == serde_json::json!([3]);
        coordinators.iter().filter(suspect).count() == 2
    });
    let error = connection.set::<_, _, ()>("key", 2).expect_err("a copy is missing");
    assert_eq!(error.code(), Some("UNKNOWN"), "{error}");
    assert!(cluster.words().contains("3 copies, min-copies = 3"), "{}", cluster.words());

    let (done, said) = reform(&["--all"]);
    assert!(done && said.contains("given up: node 3"), "{said}");
    eventually("writes go on", || connection.set::<_, _, ()>("key", 3).is_ok());
    let words = cluster.words();
    assert!(words.contains("2 copies, min-copies = 3: 2 by an operator's word"), "{words}");
    let log = || std::fs::read_to_string(cluster.log_file(0)).unwrap();
    eventually("the log says it", || {
        log().contains("2 suffice by an operator's word") && log().contains("gives members up")
    });

    cluster.restart(2);
    let status = cluster.until_role(1, 2, "tail");
    assert_eq!(status["allowed"], 3, "what was allowed grows with the chain");
    assert!(cluster.words().contains("3 copies, min-copies = 3\n"), "{}", cluster.words());
    let found: u64 = cluster.connect(2).get("key").unwrap();
    assert_eq!(found, 3);
}

/// With `min-copies = 1` a chain goes on with one member, and says so.
#[test]
fn one_copy_is_a_choice_that_is_said_aloud() {
    let mut cluster = Cluster::start(3);
    restart_with(&mut cluster, "min-copies = 1\n", None);
    assert!(cluster.words().contains("what a single member acknowledges is on one disk"));
    let log = || std::fs::read_to_string(cluster.log_file(1)).unwrap();
    eventually("the log says it", || log().contains("min-copies = 1"));
}

/// Two of three coordinators are gone: the log of the node that is left names the cause, and so
/// does `status`.
#[test]
fn a_lost_majority_of_coordinators_is_named() {
    let mut cluster = Cluster::start(3);
    cluster.kill(1);
    cluster.kill(2);
    let log = || std::fs::read_to_string(cluster.log_file(0)).unwrap();
    eventually("the log says it", || {
        log().contains("no majority of the chain's coordinators has answered")
    });
    let words = cluster.words();
    assert!(words.contains("2 coordinators are needed"), "{words}");
}
