//! Listings of keys through real nodes: what was acknowledged before one began is in it.

mod harness;

use harness::{Cluster, Protocol, Setup};
use redis::FromRedisValue;

/// Asks, and gets an answer.
fn ask<T: FromRedisValue>(connection: &mut chainring_client::Connection, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command.query(connection).expect("an answer")
}

/// All keys that a scan returns.
fn scan(connection: &mut chainring_client::Connection, pattern: &str) -> Vec<String> {
    let (mut cursor, mut listed) = ("0".to_string(), Vec::new());
    loop {
        let words = ["SCAN", &cursor, "MATCH", pattern, "COUNT", "100"];
        let (next, keys): (String, Vec<String>) = ask(connection, &words);
        listed.extend(keys);
        cursor = next;
        if cursor == "0" {
            return listed;
        }
    }
}

/// A key is written through each node in turn, and asked for through each, in each way, at once: no
/// waiting, no second try.
fn what_was_acknowledged_is_listed_at_once(cluster: &Cluster) {
    let mut nodes: Vec<_> = (0..cluster.resp.len()).map(|node| cluster.connect(node)).collect();
    let mut written = 0_i64;
    for round in 0..40 {
        for writer in 0..nodes.len() {
            for reader in 0..nodes.len() {
                let key = format!("{round}:{writer}:{reader}");
                let done: String = ask(&mut nodes[writer], &["SET", &key, "v"]);
                assert_eq!(done, "OK");
                written += 1;
                let asked = &mut nodes[reader];
                let from_to = format!("written at {writer}, asked at {reader}, round {round}");
                match round % 3 {
                    0 => {
                        assert_eq!(scan(asked, &key), std::slice::from_ref(&key), "SCAN, {from_to}")
                    }
                    1 => {
                        let keys: Vec<String> = ask(asked, &["KEYS", &key]);
                        assert_eq!(keys, std::slice::from_ref(&key), "KEYS, {from_to}");
                    }
                    _ => {
                        let size: i64 = ask(asked, &["DBSIZE"]);
                        assert_eq!(size, written, "DBSIZE, {from_to}");
                    }
                }
                if round % 4 == 3 {
                    let gone: i64 = ask(&mut nodes[writer], &["DEL", &key]);
                    assert_eq!(gone, 1);
                    written -= 1;
                    let keys: Vec<String> = ask(&mut nodes[reader], &["KEYS", &key]);
                    assert!(keys.is_empty(), "a deleted key is listed, {from_to}");
                }
            }
        }
    }
}

#[test]
fn of_a_chain() {
    what_was_acknowledged_is_listed_at_once(&Cluster::of(Protocol::Chain, 3));
}

#[test]
fn of_two_chains() {
    let options = &["--nodes", "4", "--chains", "2"];
    let setup = Setup { protocol: Protocol::Chain, options, ..Setup::default() };
    what_was_acknowledged_is_listed_at_once(&Cluster::set_up(setup));
}

#[test]
fn of_a_ring() {
    what_was_acknowledged_is_listed_at_once(&Cluster::of(Protocol::Ring, 3));
}
