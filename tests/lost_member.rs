//! The only member of a chain is lost with its disk, and others hold older data: the way out, by an
//! operator's word.

mod harness;

use harness::{Cluster, eventually, role_of, run};
use redis::Commands;
use serde_json::json;

/// So many keys that a learner is not done when it has been seen to be one.
const KEYS: usize = 60_000;

/// Starts all again with one copy as the least, and nothing retained: whoever returns copies
/// everything.
fn restart_with_one_copy(cluster: &mut Cluster) {
    cluster.stop();
    let text = std::fs::read_to_string(cluster.file()).unwrap();
    std::fs::write(cluster.file(), format!("min-copies = 1\nretain-bytes = 0\n{text}")).unwrap();
    cluster.restart_all();
}

fn fill(cluster: &Cluster) {
    let mut connection = cluster.connect(0);
    for first in (0..KEYS).step_by(500) {
        let pairs: Vec<_> = (first..first + 500).map(|n| (format!("fill:{n}"), n)).collect();
        eventually("it is written", || connection.mset::<_, _, ()>(&pairs).is_ok());
    }
}

fn value(connection: &mut chainring_client::Connection) -> Option<String> {
    connection.get("of").ok().flatten()
}

/// The members of the chain as node 1 knows them.
fn members(connection: &mut chainring_client::Connection) -> String {
    let info: String = redis::cmd("INFO").query(connection).unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("chain:"));
    line.unwrap_or_default().trim().to_string()
}

/// Node 3 dies, then node 2; node 3 returns, and is being taught when node 1, alone, acknowledges a
/// write and dies. Whether it came to that: node 3 may have learned everything before.
fn node_1_dies_alone(cluster: &mut Cluster) -> bool {
    let mut first = cluster.connect(0);
    cluster.kill(2);
    eventually("node 3 is left out", || members(&mut first) == "1 2");
    eventually("two have it", || first.set::<_, _, ()>("of", "two").is_ok());
    cluster.kill(1);
    cluster.restart(2);
    eventually("node 2 is left out", || !members(&mut first).contains('2'));
    let is_told = first.set::<_, _, ()>("of", "one").is_ok();
    let is_alone = is_told && members(&mut first) == "1";
    cluster.kill(0);
    cluster.restart(1);
    if is_alone {
        return true;
    }
    cluster.restart(0);
    eventually("all are members", || {
        let status = cluster.status(1);
        (0..3).all(|node| ["head", "middle", "tail"].contains(&role_of(&status, node)))
    });
    false
}

#[test]
fn a_chain_begins_anew_from_older_data_by_an_operators_word() {
    let mut cluster = Cluster::start(3);
    restart_with_one_copy(&mut cluster);
    fill(&cluster);
    let mut tries = 1;
    while !node_1_dies_alone(&mut cluster) {
        tries += 1;
        assert!(tries < 5, "node 3 has learned everything each time");
    }
    let file = cluster.file();
    let reform = |arguments: &[&str]| {
        let all = [&["reform", "--yes", "--config", file.to_str().unwrap()], arguments].concat();
        let out = run(&all);
        let said = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    eventually("node 2 knows the view", || {
        let status = cluster.status(1);
        let second = status["nodes"].as_array().unwrap().iter().find(|it| it["node"] == 2).cloned();
        second.is_some_and(|it| it["replica"]["epoch"] == status["epoch"])
    });
    let (done, said) = reform(&["--from", "2"]);
    assert!(!done && said.contains("--accept-loss"), "{said}");
    let (done, said) = reform(&["--from", "3", "--accept-loss"]);
    assert!(!done && said.contains("node 3 is being taught"), "{said}");
    eventually("no coordinator hears node 1, and giving up all is no way out", || {
        let (done, said) = reform(&["--all"]);
        assert!(!done, "{said}");
        said.contains("--from NODE --accept-loss")
    });

    let (done, said) = reform(&["--from", "2", "--accept-loss"]);
    assert!(done && said.contains("begun anew: chain 1 is at epoch"), "{said}");
    assert!(said.contains("with what node 2 had at index"), "{said}");
    let mut connection = cluster.connect(1);
    eventually("the older data is there", || value(&mut connection).as_deref() == Some("two"));
    let size: usize = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    assert_eq!(size, KEYS + 1);
    eventually("it goes on", || connection.set::<_, _, ()>("of", "the new history").is_ok());
    let log = std::fs::read_to_string(cluster.log_file(1)).unwrap();
    assert!(log.contains("begun anew from older data by an operator's word"), "{log}");
    assert!(log.contains("an operator wants the chain to begin anew"), "{log}");

    // The lost one was not lost, and returns: with its disk, and with what only it had
    // acknowledged.
    cluster.restart(0);
    let mut first = cluster.connect(0);
    eventually("it serves", || value(&mut first).is_some());
    assert_eq!(value(&mut first).as_deref(), Some("the new history"));
    eventually("all are members", || {
        let status = cluster.status(1);
        (0..3).all(|node| ["head", "middle", "tail"].contains(&role_of(&status, node)))
    });
    assert_eq!(cluster.status(1)["allowed"], json!(3), "what was allowed grows with the chain");
    assert_eq!(value(&mut first).as_deref(), Some("the new history"));
    let log = std::fs::read_to_string(cluster.log_file(0)).unwrap();
    assert!(log.contains("began anew: it has no committed prefix"), "{log}");
}
