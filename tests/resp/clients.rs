//! What connections see of each other, and what a node says of itself.

use crate::memory::{Client, Door, Memory, frame};
use chainring::resp::Limits;
use std::collections::BTreeMap;

/// A bulk string that is the reply to a command.
async fn text(client: &mut Client, words: &[&str]) -> String {
    client.send(&frame(words)).await;
    client.send(&frame(&["ECHO", "\0"])).await;
    let reply = client.until(b"$1\r\n\0\r\n").await;
    let reply = String::from_utf8(reply).expect("text");
    let (head, rest) = reply.split_once("\r\n").expect("a line");
    assert!(head.starts_with('$'), "{reply}");
    rest.strip_suffix("\r\n$1\r\n\0\r\n").expect("the mark").to_string()
}

/// The fields of a line of `CLIENT LIST`.
fn fields(line: &str) -> BTreeMap<&str, &str> {
    line.split(' ').map(|field| field.split_once('=').expect("name=value")).collect()
}

/// Redis 7.2.6 says these, in this order, and client libraries take lines apart by them.
const FIELDS: &str = "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem \
                      multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver";

#[tokio::test]
async fn each_connection_is_listed_with_every_field_of_redis() {
    let door = Door::open(Memory::default(), Limits::default()).await;
    let (mut one, mut two) = (door.connect().await, door.connect().await);
    for (client, name) in [(&mut one, "one"), (&mut two, "two")] {
        client.send(&frame(&["CLIENT", "SETNAME", name])).await;
        client.expect(b"+OK\r\n").await;
    }
    two.send(&frame(&["CLIENT", "SETINFO", "LIB-NAME", "some-library"])).await;
    two.expect(b"+OK\r\n").await;
    let list = text(&mut one, &["CLIENT", "LIST"]).await;
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 2, "{list}");
    for line in &lines {
        let names: Vec<_> = line.split(' ').filter_map(|field| field.split('=').next()).collect();
        assert_eq!(names.join(" "), FIELDS);
        let fields = fields(line);
        for number in ["id", "fd", "age", "idle", "qbuf", "qbuf-free", "omem", "tot-mem", "resp"] {
            assert!(fields[number].parse::<u64>().is_ok(), "{number} in {line}");
        }
        assert_eq!(fields["laddr"], door.address.to_string());
    }
    let (first, second) = (fields(lines[0]), fields(lines[1]));
    assert_eq!((first["name"], first["cmd"]), ("one", "client|list"));
    assert_eq!((second["name"], second["cmd"]), ("two", "client|setinfo"));
    assert_eq!(second["lib-name"], "some-library");
    assert_eq!(second["addr"], two.0.local_addr().expect("connected").to_string());
    let own = text(&mut two, &["CLIENT", "INFO"]).await;
    assert_eq!(fields(own.trim_end())["cmd"], "client|info");
    let chosen = text(&mut two, &["CLIENT", "LIST", "ID", first["id"], "99"]).await;
    assert_eq!(fields(chosen.trim_end())["name"], "one");
    // One that has gone is not listed.
    drop(one);
    loop {
        let list = text(&mut two, &["CLIENT", "LIST", "TYPE", "normal"]).await;
        if list.lines().count() == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_that_is_killed_ends() {
    let door = Door::open(Memory::default(), Limits::default()).await;
    let (mut one, mut two) = (door.connect().await, door.connect().await);
    let info = text(&mut two, &["CLIENT", "INFO"]).await;
    let id = fields(info.trim_end())["id"].to_string();
    one.send(&frame(&["CLIENT", "KILL", "ID", &id])).await;
    one.expect(b":1\r\n").await;
    assert_eq!(two.rest().await, b"");
    // By its address; and itself, when it has heard of it.
    let mut three = door.connect().await;
    three.send(&frame(&["PING"])).await;
    three.expect(b"+PONG\r\n").await;
    let address = three.0.local_addr().expect("connected").to_string();
    one.send(&frame(&["CLIENT", "KILL", &address])).await;
    one.expect(b"+OK\r\n").await;
    assert_eq!(three.rest().await, b"");
    one.send(&frame(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"])).await;
    one.expect(b":1\r\n").await;
    assert_eq!(one.rest().await, b"");
}

#[tokio::test]
async fn info_has_the_lines_that_clients_and_exporters_look_for() {
    let door = Door::open(Memory::default(), Limits::default()).await;
    let mut client = door.connect().await;
    assert_eq!(text(&mut client, &["INFO", "keyspace"]).await, "# Keyspace\r\n");
    client.send(&frame(&["MSET", "a", "1", "b", "2"])).await;
    client.expect(b"+OK\r\n").await;
    let replication = text(&mut client, &["INFO", "REPLICATION"]).await;
    assert!(replication.starts_with("# Replication\r\nrole:master\r\n"), "{replication}");
    assert!(!replication.contains("# Server"), "{replication}");
    for all in [&["INFO"][..], &["INFO", "everything"], &["INFO", "all"], &["INFO", "default"]] {
        let info = text(&mut client, all).await;
        for line in [
            "# Server",
            "redis_version:7.2.",
            "arch_bits:64",
            "tcp_port:",
            "run_id:",
            "# Clients",
            "connected_clients:1",
            "# Memory",
            "used_memory:",
            "used_memory_rss:",
            "maxmemory:0",
            "# Persistence",
            "loading:0",
            "# Stats",
            "total_commands_processed:",
            "# Replication",
            "role:master",
            "# CPU",
            "used_cpu_user:",
            "# Cluster",
            "cluster_enabled:0",
            "# Keyspace",
            "# Knobs",
        ] {
            assert!(info.lines().any(|it| it.starts_with(line)), "{line} is missing in {info}");
        }
    }
    // The number of keys is counted again after a second.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let line = "db0:keys=2,expires=0,avg_ttl=0";
    while !text(&mut client, &["INFO", "keyspace"]).await.contains(line) {
        assert!(std::time::Instant::now() < end, "the keys are never counted again");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let two = text(&mut client, &["INFO", "cpu", "cluster"]).await;
    assert!(
        two.starts_with("# CPU") && two.ends_with("# Cluster\r\ncluster_enabled:0\r\n"),
        "{two}"
    );
}

#[tokio::test]
async fn every_node_is_its_own_sentinel() {
    let door = Door::open(Memory::default(), Limits::default()).await;
    let mut client = door.connect().await;
    client.send(&frame(&["SENTINEL", "get-master-addr-by-name", "anything"])).await;
    let (ip, port) = (door.address.ip().to_string(), door.address.port().to_string());
    let expected = format!("*2\r\n${}\r\n{ip}\r\n${}\r\n{port}\r\n", ip.len(), port.len());
    client.expect(expected.as_bytes()).await;
}
