//! Order, concurrency, bounds, and the end.

use crate::memory::{Door, Memory, frame};
use chainring::resp::Limits;
use chainring_model::kv::{Key, MAX_VALUE_BYTES, Value};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[tokio::test]
async fn operations_on_one_key_happen_in_the_order_sent() {
    let service = Memory::slow(Duration::from_millis(2));
    let door = Door::open(service.clone(), Limits::default()).await;
    let mut client = door.connect().await;
    let (mut requests, mut replies) = (Vec::new(), Vec::new());
    for round in 0..50 {
        requests.extend(frame(&["INCR", "n"]));
        requests.extend(frame(&["GET", "n"]));
        let number = (round + 1).to_string();
        let length = number.len();
        replies.extend(format!(":{number}\r\n${length}\r\n{number}\r\n").into_bytes());
    }
    client.send(&requests).await;
    client.expect(&replies).await;
    assert_eq!(service.state().most_by_key, 1);
}

#[tokio::test]
async fn operations_on_different_keys_run_side_by_side_and_answer_in_order() {
    let service = Memory::slow(Duration::from_millis(50));
    let limits = Limits { operations: 32, ..Limits::default() };
    let door = Door::open(service.clone(), limits).await;
    let mut client = door.connect().await;
    let begun = Instant::now();
    let mut requests = Vec::new();
    let mut replies = Vec::new();
    for number in 0..64 {
        let key = format!("key {number}");
        requests.extend(frame(&["INCRBY", key.as_str(), number.to_string().as_str()]));
        replies.extend(format!(":{number}\r\n").into_bytes());
    }
    client.send(&requests).await;
    client.expect(&replies).await;
    assert_eq!(service.state().most_flying, 32);
    assert!(begun.elapsed() < Duration::from_millis(1000), "one after the other takes 3.2 s");
}

#[tokio::test]
async fn a_command_on_more_keys_than_may_fly_waits_for_them_in_turn() {
    let service = Memory::slow(Duration::from_millis(1));
    let limits = Limits { operations: 4, ..Limits::default() };
    let door = Door::open(service.clone(), limits).await;
    let mut client = door.connect().await;
    let mut set = vec!["MSET".to_string()];
    let mut delete = vec!["DEL".to_string()];
    for number in 0..100 {
        // Some keys twice: the last value stays, and only the first delete finds it.
        let key = (number % 70).to_string();
        set.extend([key.clone(), number.to_string()]);
        delete.push(key);
    }
    client.send(&[frame(&set), frame(&["GET", "5"]), frame(&delete)].concat()).await;
    client.expect(b"+OK\r\n$2\r\n75\r\n:70\r\n").await;
    let state = service.state();
    assert_eq!((state.most_flying, state.most_by_key), (4, 1));
}

#[tokio::test]
async fn a_scan_sees_what_was_sent_before_it() {
    let service = Memory::slow(Duration::from_millis(20));
    let door = Door::open(service, Limits::default()).await;
    let mut client = door.connect().await;
    let commands =
        [&["SET", "a", "1"][..], &["SET", "b", "1"], &["DBSIZE"], &["DEL", "a"], &["DBSIZE"]];
    client.send(&commands.map(frame).concat()).await;
    client.expect(b"+OK\r\n+OK\r\n:2\r\n:1\r\n:1\r\n").await;
}

#[tokio::test]
async fn what_was_sent_before_the_client_closed_its_half_is_answered() {
    let limits = Limits { operations: 2, ..Limits::default() };
    let door = Door::open(Memory::slow(Duration::from_millis(2)), limits).await;
    let mut client = door.connect().await;
    let requests = frame(&["INCR", "n"]).repeat(20);
    client.send(&requests).await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.0).await.expect("connected");
    let replies: String = (1..=20).map(|number| format!(":{number}\r\n")).collect();
    assert_eq!(client.rest().await, replies.as_bytes());
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read() {
    let service = Memory::default();
    service.state().keys.insert(Key::from("big"), Value::from(vec![b'x'; MAX_VALUE_BYTES]));
    let limits = Limits { operations: 8, buffered_bytes: 1 << 20, ..Limits::default() };
    let door = Door::open(service.clone(), limits).await;
    let client = door.connect().await;
    let (mut input, mut output) = client.0.into_split();
    const COMMANDS: usize = 200;
    let requests = frame(&["GET", "big"]).repeat(COMMANDS);
    tokio::io::AsyncWriteExt::write_all(&mut output, &requests).await.expect("connected");
    tokio::time::sleep(Duration::from_millis(500)).await;
    // What may wait: a few replies here, and what the sockets' buffers took.
    let calls = service.state().calls;
    assert!(calls < 60, "{calls} replies of 1 MiB for a client that reads nothing");
    let expected = COMMANDS * (MAX_VALUE_BYTES + "$1048576\r\n\r\n".len());
    let mut bytes = vec![0; expected];
    tokio::io::AsyncReadExt::read_exact(&mut input, &mut bytes).await.expect("every reply");
    assert_eq!(service.state().calls, COMMANDS);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_nothing_is_stored() {
    let service = Memory::default();
    let limits = Limits { command_bytes: 4 << 20, reply_bytes: 2 << 20, ..Limits::default() };
    let door = Door::open(service.clone(), limits).await;
    let mut client = door.connect().await;
    let value = vec![b'x'; MAX_VALUE_BYTES + 1];
    let error =
        b"-ERR value of 1048577 bytes is longer than the limit of 1048576 bytes; nothing was \
                  stored\r\n";
    client.send(&frame(&[&b"SET"[..], b"k", &value[..]])).await;
    client.expect(error).await;
    client.send(&frame(&[&b"MSET"[..], b"a", b"1", b"k", &value[..]])).await;
    client.expect(error).await;
    client.send(&frame(&[&b"SET"[..], b"k", b"1", b"IFEQ", &value[..]])).await;
    client.expect(error).await;
    client.send(&frame(&[&b"GET"[..], &[b'k'; 511]])).await;
    client
        .expect(
            b"-ERR key of 511 bytes is longer than the limit of 510 bytes; nothing was stored\r\n",
        )
        .await;
    assert_eq!(service.state().calls, 0);
    client.send(&frame(&[&b"SET"[..], b"k", &value[1..]])).await;
    client.expect(b"+OK\r\n").await;
    client.send(&frame(&["STRLEN", "k"])).await;
    client.expect(b":1048576\r\n").await;
    // Two of them are as much as a reply takes here; three are not.
    client.send(&frame(&["MGET", "k", "k", "k"])).await;
    client.expect(b"-ERR the reply would be too large; ask for fewer keys at once\r\n").await;
    client.send(b"*2\r\n$4\r\nECHO\r\n$5000000\r\n").await;
    let error = b"-ERR Protocol error: invalid bulk length\r\n";
    assert_eq!(client.rest().await, error);
}

#[tokio::test]
async fn each_value_before_is_returned_once() {
    let door = Door::open(Memory::slow(Duration::from_micros(100)), Limits::default()).await;
    let (clients, rounds) = (4, 10);
    let swaps = (0..clients).map(async |number| {
        let mut client = door.connect().await;
        let mut before = Vec::new();
        for round in 0..rounds {
            let value = format!("{number}:{round}");
            loop {
                client.send(&frame(&["SET", "k", value.as_str(), "GET"])).await;
                let reply = client.until(b"\r\n").await;
                // A lost race changed nothing, so it may be repeated.
                if reply.starts_with(b"-TRYAGAIN") {
                    continue;
                }
                if reply == b"$-1\r\n" {
                    before.push(String::new());
                } else {
                    let mut value = reply;
                    while value.iter().filter(|byte| **byte == b'\n').count() < 2 {
                        value.extend(client.until(b"\r\n").await);
                    }
                    let text = String::from_utf8(value).expect("what was written");
                    before.push(text.lines().nth(1).expect("a value").to_string());
                }
                break;
            }
        }
        before
    });
    let before: Vec<String> =
        futures_util::future::join_all(swaps).await.into_iter().flatten().collect();
    let distinct: BTreeSet<&String> = before.iter().collect();
    assert_eq!((before.len(), distinct.len()), (clients * rounds, clients * rounds));
}

#[tokio::test]
async fn a_scan_returns_every_key_that_is_there_throughout() {
    let service = Memory::default();
    for number in 0..500 {
        service.state().keys.insert(Key::from(format!("stays {number}").as_str()), Value::from(1));
    }
    let door = Door::open(service.clone(), Limits::default()).await;
    let mut seen = BTreeSet::new();
    let mut cursor = "0".to_string();
    let mut pages = 0;
    loop {
        // Each page over another connection, as pools do.
        let mut client = door.connect().await;
        client.send(&frame(&["SCAN", cursor.as_str(), "COUNT", "7"])).await;
        client.send(&frame(&["QUIT"])).await;
        let reply = String::from_utf8(client.rest().await).expect("these keys are text");
        let lines: Vec<&str> = reply.lines().collect();
        cursor = lines[2].to_string();
        seen.extend(lines[4..].iter().map(|line| line.to_string()));
        pages += 1;
        // Others come and go meanwhile, before and behind the scan.
        let mut state = service.state();
        state.keys.insert(Key::from(format!("comes {pages}").as_str()), Value::from(1));
        state.keys.insert(Key::from(format!("z comes {pages}").as_str()), Value::from(1));
        state.keys.remove(&Key::from(format!("comes {}", pages / 2).as_str()));
        if cursor == "0" {
            break;
        }
        assert!(pages < 1000);
    }
    assert!((0..500).all(|number| seen.contains(&format!("stays {number}"))));
}

#[tokio::test]
async fn a_shutdown_lets_operations_in_flight_answer() {
    let service = Memory::slow(Duration::from_millis(200));
    let door = Door::open(service.clone(), Limits::default()).await;
    let mut busy = door.connect().await;
    let mut idle = door.connect().await;
    idle.send(&frame(&["PING"])).await;
    idle.expect(b"+PONG\r\n").await;
    busy.send(&frame(&["INCR", "n"]).repeat(3)).await;
    while service.state().calls == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let address = door.address;
    let stopped = door.stop();
    assert_eq!(idle.rest().await, b"");
    assert_eq!(busy.rest().await, b":1\r\n:2\r\n:3\r\n");
    drop((idle, busy));
    stopped.await.expect("no panic");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let door = Door::open(Memory::default(), limits).await;
    let mut first = door.connect().await;
    first.send(&frame(&["PING"])).await;
    first.expect(b"+PONG\r\n").await;
    let mut second = door.connect().await;
    assert_eq!(second.rest().await, b"-ERR max number of clients reached\r\n");
    drop(first);
    loop {
        let mut third = door.connect().await;
        // It is told so as long as the first one's end has not been noticed.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut third.0, b"PING\r\n").await;
        if third.until(b"\r\n").await == b"+PONG\r\n" {
            break;
        }
    }
}
