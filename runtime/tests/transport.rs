//! The transport: large messages over bad links, packing, bounds, and what strangers send.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chainring_runtime::driver::{Outbox, Routes};
use chainring_runtime::transport::{
    AddressBook, Endpoint, Faults, Transport, TransportConfig, TransportCounters,
};
use serde::{Deserialize, Serialize};
use stateright::actor::Id;

#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
enum Msg {
    Small(u64),
    Large(u64, String),
    Lists(Vec<Vec<u8>>),
}

type Arrived = Receiver<(Id, Id, Msg)>;

const CLUSTER: u64 = 0xC1A5;

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn config() -> TransportConfig {
    TransportConfig { cluster: CLUSTER, ..TransportConfig::default() }
}

/// Nodes whose only inhabitants are doors: node `n` houses the `Id`s `10 n` and `10 n + 1`.
fn nodes(configs: Vec<TransportConfig>) -> Vec<(Transport, Arrived)> {
    let book = AddressBook::new();
    let mut endpoints = Vec::new();
    for (n, config) in configs.into_iter().enumerate() {
        let endpoint = Endpoint::bind(loopback(), config).unwrap();
        book.insert(Id::from(10 * n), endpoint.address());
        book.insert(Id::from(10 * n + 1), endpoint.address());
        endpoints.push(endpoint);
    }
    let start = |(n, endpoint): (usize, Endpoint)| {
        let (at_door, door) = channel();
        let at_door = Arc::new(Mutex::new(at_door));
        let mut routes = Routes::new();
        for id in [10 * n, 10 * n + 1] {
            let at_door = Arc::clone(&at_door);
            routes = routes.door(Id::from(id), move |src, dst, msg| {
                // The test may be over.
                let _ = at_door.lock().unwrap().send((src, dst, msg));
            });
        }
        (endpoint.start(book.clone(), Arc::new(routes)).unwrap(), door)
    };
    endpoints.into_iter().enumerate().map(start).collect()
}

const PATIENCE: Duration = Duration::from_secs(20);

fn next(door: &Arrived) -> (Id, Id, Msg) {
    door.recv_timeout(PATIENCE).expect("nothing came")
}

fn until(transport: &Transport, condition: impl Fn(&TransportCounters) -> bool) {
    let start = Instant::now();
    while !condition(&transport.counters()) {
        assert!(start.elapsed() < PATIENCE, "{:?}", transport.counters());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn text(length: usize, seed: u64) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| rng.alphanumeric()).take(length).collect()
}

fn bad_link(seed: u64) -> Faults {
    Faults {
        drop: 0.02,
        duplicate: 0.02,
        delay: 0.1,
        delay_for: Duration::ZERO..Duration::from_millis(5),
        seed,
    }
}

#[test]
fn a_mebibyte_survives_loss_duplication_and_reordering() {
    let bad = |seed| TransportConfig { faults: Some(bad_link(seed)), ..config() };
    let nodes = nodes(vec![bad(1), bad(2)]);
    let (a, b) = (Id::from(0), Id::from(10));
    let start = Instant::now();
    let mut post = nodes[0].0.post();
    let large: Vec<_> = (0..4).map(|n| Msg::Large(n, text(1 << 20, n))).collect();
    for msg in &large {
        post.send(a, b, msg.clone());
    }
    post.flush();
    let mut arrived: Vec<_> = (0..4).map(|_| next(&nodes[1].1).2).collect();
    arrived.sort_by_key(|msg| match msg {
        Msg::Large(n, _) | Msg::Small(n) => *n,
        Msg::Lists(_) => unreachable!("nobody sends them here"),
    });
    assert!(arrived == large, "they arrived, but not as they were sent");
    println!("4 MiB in {:?}", start.elapsed());

    let counters = nodes[0].0.counters();
    println!("{counters:?}");
    assert!(counters.fragments_sent > 3000);
    assert!(counters.fragments_repeated > 0);
    // What is repeated is what was lost (and what seemed so), not everything again.
    assert!(counters.fragments_repeated < counters.fragments_sent / 4);
    assert_eq!(counters.large_given_up, 0);
    assert_eq!(nodes[1].0.counters().damaged, 0);
    assert!(nodes[1].1.try_recv().is_err(), "one of them came twice");
}

/// Four million empty lists take 4 MB on the wire and a hundred in memory.
#[test]
fn what_swells_when_it_is_decoded_is_dropped() {
    let nodes = nodes(vec![config(), config()]);
    let (sender, (receiver, door)) = (&nodes[0].0, &nodes[1]);
    let mut post = sender.post();
    post.send(Id::from(0), Id::from(10), Msg::Lists(vec![Vec::new(); 4 << 20]));
    post.flush();
    until(receiver, |counters| counters.damaged == 1);
    post.send(Id::from(0), Id::from(10), Msg::Lists(vec![vec![7; 100]; 10_000]));
    post.flush();
    let (_, _, honest) = next(door);
    assert_eq!(honest, Msg::Lists(vec![vec![7; 100]; 10_000]));
}

#[test]
fn a_good_link_repeats_next_to_nothing() {
    for mtu in [1400, 16_000, 65_507] {
        let config = TransportConfig { mtu, ..config() };
        let nodes = nodes(vec![config.clone(), config]);
        let mut post = nodes[0].0.post();
        for n in 0..16 {
            post.send(Id::from(0), Id::from(11), Msg::Large(n, text(1 << 20, n)));
        }
        post.flush();
        for _ in 0..16 {
            let (_, dst, Msg::Large(n, value)) = next(&nodes[1].1) else {
                panic!("another message")
            };
            assert_eq!(dst, Id::from(11));
            assert!(value == text(1 << 20, n));
        }
        let counters = nodes[0].0.counters();
        println!("mtu {mtu}: {counters:?}");
        assert!(counters.fragments_repeated * 10 < counters.fragments_sent);
    }
}

#[test]
fn messages_for_one_node_share_datagrams() {
    let nodes = nodes(vec![config(), config(), config()]);
    let mut post = nodes[0].0.post();
    for n in 0..1000 {
        // Two actors of one node, and one of another.
        for dst in [10, 11, 20] {
            post.send(Id::from(1), Id::from(dst), Msg::Small(n));
        }
    }
    post.flush();
    for n in 0..1000 {
        for dst in [10, 11] {
            let expected = (Id::from(1), Id::from(dst), Msg::Small(n));
            assert_eq!(next(&nodes[1].1), expected);
        }
        assert_eq!(next(&nodes[2].1).2, Msg::Small(n));
    }
    let counters = nodes[0].0.counters();
    assert_eq!(counters.messages_sent, 3000);
    // A record is 4 + 2 to 4 bytes: some 180 in a datagram.
    assert!(counters.datagrams_sent < 25, "{counters:?}");
    assert!(counters.bytes_sent < 25 * 1400);
    assert_eq!(counters.large_sent, 0);
}

#[test]
fn every_size_around_the_datagram_arrives() {
    let nodes = nodes(vec![config(), config()]);
    let mut post = nodes[0].0.post();
    let sizes: Vec<usize> = (1290..1480).chain([0, 1, 2600, 2700, 2800]).collect();
    for (n, size) in sizes.iter().enumerate() {
        post.send(Id::from(0), Id::from(10), Msg::Large(n as u64, text(*size, 0)));
        if n % 3 == 0 {
            post.send(Id::from(0), Id::from(10), Msg::Small(0));
        }
    }
    post.flush();
    let mut missing: std::collections::BTreeSet<_> = (0..sizes.len() as u64).collect();
    while !missing.is_empty() {
        if let Msg::Large(n, value) = next(&nodes[1].1).2 {
            assert!(value == text(sizes[n as usize], 0));
            missing.remove(&n);
        }
    }
    assert_eq!(nodes[1].0.counters().damaged, 0);
}

#[test]
fn losses_at_the_sender_are_counted() {
    let nodes = nodes(vec![
        TransportConfig {
            largest: 100_000,
            kept: 150_000,
            patience: Duration::from_secs(2),
            ..config()
        },
        config(),
    ]);
    let nobody = UdpSocket::bind(loopback()).unwrap();
    (nodes[0].0.book()).insert(Id::from(99), nobody.local_addr().unwrap());
    let mut post = nodes[0].0.post();
    let send =
        |post: &mut dyn Outbox<Msg>, dst: usize, msg| post.send(Id::from(0), Id::from(dst), msg);
    send(&mut post, 77, Msg::Small(1));
    send(&mut post, 10, Msg::Large(1, text(100_001, 0)));
    // No node answers: the first is given up in time, the second finds no room.
    send(&mut post, 99, Msg::Large(2, text(90_000, 0)));
    send(&mut post, 99, Msg::Large(3, text(90_000, 0)));
    until(&nodes[0].0, |counters| {
        (counters.no_address, counters.not_sendable, counters.large_given_up) == (1, 1, 2)
    });
    // And there is room again.
    send(&mut post, 10, Msg::Large(4, text(90_000, 0)));
    assert!(matches!(next(&nodes[1].1).2, Msg::Large(4, _)));
}

#[test]
fn a_cut_link_is_mended_by_repetition() {
    let lossy = TransportConfig { faults: Some(Faults::default()), ..config() };
    let nodes = nodes(vec![lossy, config()]);
    let link = nodes[0].0.lossy().unwrap();
    let to = nodes[1].0.address();
    link.cut(to);
    let mut post = nodes[0].0.post();
    post.send(Id::from(0), Id::from(10), Msg::Large(1, text(300_000, 1)));
    post.send(Id::from(0), Id::from(10), Msg::Small(2));
    post.flush();
    until(&nodes[0].0, |counters| counters.fragments_repeated > 0);
    link.mend(to);
    // The small one is lost: nothing repeats it but its protocol.
    assert!(matches!(next(&nodes[1].1).2, Msg::Large(1, _)));
    assert!(nodes[1].1.try_recv().is_err());
}

#[test]
fn an_actor_that_moves_is_found_again() {
    let nodes = nodes(vec![config(), config(), config()]);
    let mut post = nodes[0].0.post();
    post.send(Id::from(0), Id::from(10), Msg::Small(1));
    post.flush();
    assert_eq!(next(&nodes[1].1).2, Msg::Small(1));
    (nodes[0].0.book()).insert(Id::from(20), nodes[1].0.address());
    Outbox::<Msg>::flush(&mut post);
    post.send(Id::from(0), Id::from(20), Msg::Small(2));
    post.flush();
    until(&nodes[1].0, |counters| counters.nobody_here == 1);
}

/// Takes what a real node sends, so that it can be spoilt.
fn genuine() -> Vec<Vec<u8>> {
    let ear = UdpSocket::bind(loopback()).unwrap();
    ear.set_read_timeout(Some(PATIENCE)).unwrap();
    let nodes = nodes(vec![config()]);
    (nodes[0].0.book()).insert(Id::from(10), ear.local_addr().unwrap());
    let mut post = nodes[0].0.post();
    for n in 0..10 {
        post.send(Id::from(0), Id::from(10), Msg::Small(n));
    }
    post.send(Id::from(0), Id::from(10), Msg::Large(1, text(5000, 1)));
    post.flush();
    let mut buffer = [0; 2000];
    (0..4)
        .map(|_| {
            // A read with a timeout is interrupted when its process was stopped and goes on.
            let length = loop {
                match ear.recv(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    received => break received.unwrap(),
                }
            };
            buffer[..length].to_vec()
        })
        .collect()
}

#[test]
fn what_strangers_send_is_counted_and_dropped() {
    let genuine = genuine();
    let nodes = nodes(vec![
        config(),
        TransportConfig { held_per_peer: 100_000, held: 150_000, ..config() },
    ]);
    let (victim, door) = &nodes[1];
    let stranger = UdpSocket::bind(loopback()).unwrap();
    let hit = |datagram: &[u8]| {
        stranger.send_to(datagram, victim.address()).unwrap();
    };

    // Right bytes, wrong address: `Id` 0 lives elsewhere.
    let before = victim.counters();
    for datagram in &genuine {
        hit(datagram);
    }
    until(victim, |counters| counters.wrong_source >= before.wrong_source + 13);
    assert!(door.try_recv().is_err());

    // From now on the stranger is `Id` 0, and still nothing must break.
    (victim.book()).insert(Id::from(0), stranger.local_addr().unwrap());
    hit(&reseal(&genuine[0], |datagram| datagram[10] ^= 1));
    until(victim, |counters| counters.other_cluster == 1);
    hit(b"GET / HTTP/1.1\r\n\r\n and some more bytes");
    hit(b"");
    until(victim, |counters| counters.foreign == 2);

    let mut rng = fastrand::Rng::with_seed(5);
    let mut sent = victim.counters().datagrams_received;
    for round in 0..30_000u32 {
        let good = &genuine[rng.usize(..genuine.len())];
        let mut datagram = match round % 4 {
            0 => (0..rng.usize(..200)).map(|_| rng.u8(..)).collect(),
            // Without a right checksum.
            1 => mutate(good.clone(), 0, &mut rng),
            // With one, so that the decoders get to see it.
            _ => reseal(good, |datagram| {
                *datagram = mutate(std::mem::take(datagram), 18, &mut rng);
            }),
        };
        datagram.truncate(60_000);
        hit(&datagram);
        sent += 1;
        if round % 64 == 0 {
            until(victim, |counters| counters.datagrams_received >= sent);
        }
    }
    until(victim, |counters| counters.datagrams_received >= sent);
    let counters = victim.counters();
    println!("{counters:?}");
    assert!(counters.damaged > 10_000);
    assert!(counters.fragments_refused > 0);
    while door.try_recv().is_ok() {}

    // And it still works.
    let me = nodes[0].0.address();
    (victim.book()).insert(Id::from(0), me);
    let mut post = nodes[0].0.post();
    post.send(Id::from(0), Id::from(10), Msg::Large(1, text(90_000, 1)));
    post.flush();
    assert_eq!(next(door).2, Msg::Large(1, text(90_000, 1)));
}

fn mutate(mut datagram: Vec<u8>, from: usize, rng: &mut fastrand::Rng) -> Vec<u8> {
    for _ in 0..rng.usize(1..4) {
        if datagram.len() <= from {
            break;
        }
        let at = rng.usize(from..datagram.len().min(from + 80));
        match rng.u8(..5) {
            0 => datagram[at] = rng.u8(..),
            1 => datagram[at] = 0xff,
            2 => datagram[at] = datagram[at].wrapping_add(1),
            3 => datagram.truncate(at),
            _ => datagram.insert(at, rng.u8(..)),
        }
    }
    datagram
}

/// Changes a datagram and gives it a right checksum: bytes 6 to 10 hold the CRC-32 of all others.
fn reseal(datagram: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut datagram = datagram.to_vec();
    change(&mut datagram);
    if datagram.len() >= 10 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&datagram[..6]);
        hasher.update(&datagram[10..]);
        let checksum = hasher.finalize();
        datagram[6..10].copy_from_slice(&checksum.to_le_bytes());
    }
    datagram
}

#[test]
fn a_transport_says_why_it_does_not_start() {
    let taken = UdpSocket::bind(loopback()).unwrap();
    let address = taken.local_addr().unwrap();
    let Err(error) = Endpoint::bind(address, config()) else { panic!("two sockets on {address}") };
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    let tiny = TransportConfig { mtu: 100, ..config() };
    assert!(Endpoint::bind(loopback(), tiny).is_err());
}
