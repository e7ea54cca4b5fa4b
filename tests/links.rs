//! A node that hears no other, or whose file says other things, is not alone without a word: logs
//! on both sides, `status` and `INFO` name the peer, what is wrong and what to do.

mod harness;

use harness::{Cluster, eventually};
use std::net::UdpSocket;
use std::time::Duration;

fn log(cluster: &Cluster, node: usize) -> String {
    std::fs::read_to_string(cluster.log_file(node)).unwrap_or_default()
}

fn until_logged(cluster: &Cluster, node: usize, words: &[&str]) {
    let has = |log: &str| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    eventually(&format!("node {} says {words:?}", node + 1), || has(&log(cluster, node)));
}

fn until_shown(cluster: &Cluster, words: &[&str]) {
    let has = |text: &str| text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    eventually(&format!("status says {words:?}"), || has(&cluster.words()));
}

/// Starts a node again with a file of its own.
fn restart_with(cluster: &mut Cluster, node: usize, change: impl FnOnce(String) -> String) {
    cluster.kill(node);
    cluster.give_file(node, change);
    cluster.restart(node);
}

/// Where a node's actors hear each other, as the file says it.
fn udp(cluster: &Cluster, node: usize) -> String {
    let text = std::fs::read_to_string(cluster.file()).unwrap();
    let udp = text.lines().filter_map(|line| line.strip_prefix("udp = "));
    udp.map(|at| at.trim_matches('"').to_string()).nth(node).unwrap()
}

#[test]
fn a_lower_min_copies_is_said_on_both_sides() {
    let mut cluster = Cluster::start(3);
    restart_with(&mut cluster, 2, |text| text.replacen("\n[", "\nmin-copies = 1\n\n[", 1));
    for node in [0, 1] {
        let words = ["the file of node 3 says min-copies = 1, and this node's says 2"];
        until_logged(&cluster, node, &words);
        let words = format!("the file of node {} says min-copies = 2, and this", node + 1);
        until_logged(&cluster, 2, &[&words]);
    }
    let words = cluster.words();
    let differ = "DIFFER in min-copies: 1 at node 3; 2 at node 1, node 2";
    assert!(words.starts_with("DEGRADED: ") && words.contains(differ), "{words}");
    let info: String = redis::cmd("INFO").query(&mut cluster.connect(0)).unwrap();
    assert!(info.contains("settings_differ:node 3 min-copies 1 here 2"), "{info}");

    // One that cannot be asked has told the others.
    cluster.kill(2);
    until_shown(&cluster, &[differ]);
    std::fs::remove_file(cluster.file_of(2)).unwrap();
    cluster.restart(2);
    until_logged(&cluster, 0, &["the file of node 3 says the same of min-copies now"]);
    eventually("status is content", || !cluster.words().contains("DIFFER"));
    assert_eq!(log(&cluster, 0).matches("node 3 says min-copies = 1").count(), 1);
}

/// Nodes that do not agree on leases refuse each other's datagrams, and yet say why.
#[test]
fn another_lease_isolates_a_node_and_both_sides_say_so() {
    let mut cluster = Cluster::start(3);
    let (first, third) = (udp(&cluster, 0), udp(&cluster, 2));
    restart_with(&mut cluster, 2, |text| text.replace("lease = 1000", "lease = 900"));
    let says = "the file of node 3 says lease = 900 ms, and this node's says 1000 ms";
    until_logged(&cluster, 0, &[says]);
    until_logged(&cluster, 2, &["the file of node 1 says lease = 1000 ms"]);
    let refused = "carry another cluster's number, or that of other settings";
    let of = format!("datagrams of node 3, from {third}");
    until_logged(&cluster, 0, &[&of, refused, "give all nodes the same file"]);
    let of = format!("datagrams of node 1, from {first}");
    until_logged(&cluster, 2, &[&of, refused]);
    until_shown(&cluster, &["node 1 counts", "of node 3", refused]);
    until_shown(&cluster, &["DIFFER in lease: 1000 ms at node 1, node 2; 900 ms at node 3"]);
}

#[test]
fn a_wrong_address_is_named_where_it_stands_and_strangers_are_counted() {
    let mut cluster = Cluster::start(3);
    let first = udp(&cluster, 0);
    // As if node 1 had moved, to an address that no way leads to from the loopback device.
    restart_with(&mut cluster, 2, |text| text.replace(&first, "192.0.2.1:7001"));
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = stranger.local_addr().unwrap().to_string();
    let noise = || {
        stranger.send_to(b"whatever it is that others say", &first).unwrap();
        std::thread::sleep(Duration::from_millis(200));
    };
    let of = format!("datagrams of node 1, from {first}");
    until_logged(&cluster, 2, &[&of, "do not come from their sender's address", "write the same"]);
    until_logged(&cluster, 2, &["datagrams for node 1", "192.0.2.1:7001", "there is no way there"]);
    let of_none = format!("datagrams from {from}, no node's address in this file, are of another");
    eventually("node 1 names the stranger", || {
        noise();
        log(&cluster, 0).contains(&of_none)
    });
    until_shown(&cluster, &["node 3 counts", "of node 1", "sender's address"]);
    until_shown(&cluster, &["node 1 counts", &of_none]);
    for (node, what) in [(0, &of_none), (2, &of)] {
        assert_eq!(log(&cluster, node).matches(what).count(), 1, "once a peer and kind");
    }
}
