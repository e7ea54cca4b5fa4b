//! A whole cluster over links that lose, double and reorder.

use chainring::config::{Cluster, NodeConfig, PerChain, Protocol, RingConfig, TimeoutsConfig};
use chainring::node::{Node, NodeOptions};
use chainring::stores;
use chainring_model::kv::{Key, Op, Value};
use chainring_runtime::store::LmdbStore;
use chainring_runtime::transport::Faults;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Three nodes on free ports. The sockets are held until all ports are chosen, so that they differ.
fn three(protocol: Protocol) -> Cluster {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let sockets: Vec<_> = (0..3).map(|_| UdpSocket::bind(any).unwrap()).collect();
    let node = |(n, socket): (u32, &UdpSocket)| NodeConfig {
        id: n + 1,
        chain: 1,
        udp: socket.local_addr().unwrap(),
        resp: any,
        replica: n,
        gateway: PerChain::One(3 + n),
        door: PerChain::One(6 + n),
        coordinator: Some(9 + n),
        member: (protocol == Protocol::Ring).then_some(12 + n),
        joins: false,
        store: None,
        dir: None,
    };
    let nodes = (0..).zip(&sockets).map(node).collect();
    let timeouts = TimeoutsConfig::default();
    let ring = RingConfig::default();
    Cluster {
        cluster: 7,
        protocol,
        mtu: 1400,
        min_copies: None,
        timeouts,
        ring,
        retain_bytes: None,
        given_out: Default::default(),
        door: Default::default(),
        nodes,
    }
}

/// One command in RESP, and as many bytes of reply as are expected.
async fn ask(address: SocketAddr, words: &[&[u8]], reply: &[u8]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend(format!("${}\r\n", word.len()).bytes());
        command.extend_from_slice(word);
        command.extend(b"\r\n");
    }
    stream.write_all(&command).await.unwrap();
    let mut got = vec![0; reply.len()];
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_exact(&mut got)).await;
    read.expect("an answer in time").unwrap();
    assert!(got == reply, "{:?}…", got[..got.len().min(80)].escape_ascii().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mebibyte_survives_a_chain_whose_links_lose_two_percent_and_reorder() {
    a_mebibyte_survives(Protocol::Chain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mebibyte_survives_a_ring_whose_links_lose_two_percent_and_reorder() {
    a_mebibyte_survives(Protocol::Ring).await;
}

async fn a_mebibyte_survives(protocol: Protocol) {
    let dir = tempfile::tempdir().unwrap();
    let cluster = three(protocol);
    let mut nodes = Vec::new();
    for node in &cluster.nodes {
        stores::init(&cluster, node, dir.path()).unwrap();
        let faults = Faults {
            drop: 0.02,
            duplicate: 0.02,
            delay: 0.1,
            delay_for: Duration::ZERO..Duration::from_millis(5),
            seed: u64::from(node.id),
        };
        let options = NodeOptions { faults: Some(faults), ..NodeOptions::default() };
        nodes.push(Node::start(&cluster, node, dir.path(), options).await.unwrap());
    }
    let doors: Vec<_> = nodes.iter().map(Node::resp).collect();
    let (stops, running): (Vec<_>, Vec<_>) = (nodes.into_iter())
        .map(|node| {
            let (stop, stopped) = oneshot::channel::<()>();
            let serve = node.serve(async {
                let _ = stopped.await;
            });
            (stop, tokio::spawn(serve))
        })
        .unzip();

    let value: Vec<u8> = (0..1 << 20).map(|place: u32| (place % 251) as u8).collect();
    let bulk = [format!("${}\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat();
    for round in 0..3 {
        let key = format!("big:{round}");
        ask(doors[round], &[b"SET", key.as_bytes(), &value], b"+OK\r\n").await;
        for door in &doors {
            ask(*door, &[b"GET", key.as_bytes()], &bulk).await;
        }
    }
    for count in 1..=50 {
        let reply = format!(":{count}\r\n");
        ask(doors[count % 3], &[b"INCR", b"counter"], reply.as_bytes()).await;
    }
    // One byte more is refused, and nothing is stored.
    let refused = format!("-ERR value of {} bytes is longer than the limit", value.len() + 1);
    let longer = [&value[..], b"x"].concat();
    ask(doors[0], &[b"SET", b"longer", &longer], refused.as_bytes()).await;
    ask(doors[2], &[b"GET", b"longer"], b"$-1\r\n").await;

    for stop in stops {
        stop.send(()).unwrap();
    }
    for node in running {
        node.await.unwrap().unwrap();
    }
}

/// The store's and the proofs' idea of what fits are the same.
#[test]
fn the_longest_key_fits_the_store_and_one_byte_more_is_refused() {
    let put = Op::Put(Value::from("v"));
    let longest = Key::from(vec![b'k'; chainring_model::kv::MAX_KEY_BYTES]);
    let longer = Key::from(vec![b'k'; chainring_model::kv::MAX_KEY_BYTES + 1]);
    assert!(put.check(&longest).is_ok() && put.check(&longer).is_err());
    use chainring_model::store::{OrderedKey, Store};
    let of_a_ring = Key::from(vec![b'k'; chainring_model::ring::MAX_KEY_BYTES]);
    assert_eq!(chainring_model::ring::Key::Register(0, of_a_ring).to_bytes().len(), 511);
    let key = chainring_model::chain::Key::Data(longest);
    assert_eq!(key.to_bytes().len(), 511);
    let mut store = LmdbStore::in_memory();
    let row = chainring_model::chain::Row::Data { index: 1, value: Value::from("v") };
    store.put(key.clone(), row.clone());
    assert_eq!(store.get(&key), Some(row));
}
