//! What clients may cost: memory, time, and each other's patience.

use crate::memory::{Client, Door, Memory, frame};
use chainring::resp::Limits;
use chainring_model::kv::{Key, Value};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MIB: usize = 1 << 20;

/// Small bounds, so that a test reaches them soon.
fn small() -> Limits {
    Limits {
        waiting_bytes: 2 * MIB,
        command_bytes: 2 * MIB,
        reply_bytes: 8 * MIB,
        memory_bytes: 32 * MIB,
        ..Limits::default()
    }
}

fn with_large(values: usize) -> Memory {
    let service = Memory::default();
    for at in 0..values {
        let key = Key::from(format!("large:{at}").as_str());
        service.state().keys.insert(key, Value::from(vec![b'x'; MIB]));
    }
    service
}

fn mget(values: usize) -> Vec<u8> {
    let keys = (0..values).map(|at| format!("large:{at}"));
    frame(&[vec!["MGET".to_string()], keys.collect()].concat())
}

async fn ping(client: &mut Client) {
    client.send(b"PING\r\n").await;
    client.expect(b"+PONG\r\n").await;
}

/// A number that `INFO` says.
async fn says(door: &Door, name: &str) -> usize {
    let mut client = door.connect().await;
    client.send(&[frame(&["INFO"]), frame(&["QUIT"])].concat()).await;
    let text = String::from_utf8(client.rest().await).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.expect("it is there").parse().expect("a number")
}

#[tokio::test]
async fn a_pipeline_that_is_written_before_it_is_read_is_answered() {
    let service = Memory::default();
    service.state().keys.insert(Key::from("k"), Value::from(vec![b'x'; 1000]));
    let door = Door::open(service, Limits::default()).await;
    let value = [b"$1000\r\n".to_vec(), vec![b'x'; 1000], b"\r\n".to_vec()].concat();
    let pong = b"+PONG\r\n".to_vec();
    for (command, reply, times) in
        [(frame(&["PING"]), pong, 1_500_000), (frame(&["GET", "k"]), value, 400_000)]
    {
        let mut client = door.connect().await;
        let commands = command.repeat(times);
        let sent = tokio::time::timeout(Duration::from_secs(60), client.0.write_all(&commands));
        sent.await.expect("it does not stand still").expect("connected");
        let mut left = times * reply.len();
        let mut bytes = vec![0; reply.len() * 1000];
        while left > 0 {
            let some = left.min(bytes.len());
            let read = client.0.read_exact(&mut bytes[..some]);
            tokio::time::timeout(Duration::from_secs(20), read)
                .await
                .expect("in time")
                .expect("all");
            assert!(bytes[..some].chunks(reply.len()).all(|chunk| chunk == reply));
            left -= some;
        }
    }
}

#[tokio::test]
async fn who_sends_beyond_all_bounds_and_does_not_read_is_told_so_and_closed() {
    let door = Door::open(Memory::default(), small()).await;
    let mut client = door.connect().await;
    let (text, times) = (vec![b'x'; 1000], 60_000);
    let commands = frame(&[&b"ECHO"[..], &text]).repeat(times);
    let sent = tokio::time::timeout(Duration::from_secs(30), client.0.write_all(&commands)).await;
    sent.expect("it does not stand still").expect("connected");
    assert!(says(&door, "mem_clients").await <= 8 * MIB);
    let reply = [b"$1000\r\n".to_vec(), text, b"\r\n".to_vec()].concat();
    let bytes = client.rest().await;
    let (error, whole) = (bytes.len() % reply.len(), bytes.len() / reply.len());
    let (replies, error) = bytes.split_at(bytes.len() - error);
    assert!((2000..times).contains(&whole), "{whole}");
    assert!(replies.chunks(reply.len()).all(|chunk| chunk == reply));
    let error = String::from_utf8_lossy(error);
    assert!(error.starts_with("-ERR 2097152 bytes of commands wait"), "{error}");
}

#[tokio::test]
async fn a_command_that_was_begun_has_to_go_on_and_an_idle_connection_may_stay() {
    let limits = Limits { unfinished_time: Duration::from_millis(300), ..small() };
    let door = Door::open(Memory::default(), limits).await;
    let mut idle = door.connect().await;
    ping(&mut idle).await;
    for begun in [&b"*2\r\n$4\r\nECHO\r\n$1000000\r\nabc"[..], b"*2\r\n", b"PIN"] {
        let mut client = door.connect().await;
        client.send(begun).await;
        let error = b"-ERR Protocol error: a command was begun and did not go on for 0.3 s\r\n";
        assert_eq!(client.rest().await, error);
    }
    // It has waited for longer than that by now.
    ping(&mut idle).await;
}

#[tokio::test]
async fn unfinished_commands_of_many_share_one_bound() {
    let door = Door::open(Memory::default(), Limits { command_bytes: 8 * MIB, ..small() }).await;
    let mut first = door.connect().await;
    ping(&mut first).await;
    let mut clients = Vec::new();
    let begun = [b"*2\r\n$4\r\nECHO\r\n$8000000\r\n".to_vec(), vec![b'x'; 4 * MIB]].concat();
    for _ in 0..40 {
        let mut client = door.connect().await;
        // A client that is closed may see that while it sends.
        let _ = client.0.write_all(&begun).await;
        clients.push(client);
        assert!(says(&door, "mem_clients").await <= 32 * MIB);
    }
    ping(&mut first).await;
    let closed = says(&door, "evicted_clients").await;
    assert!((30..=36).contains(&closed), "{closed} of 40 with 4 MiB each do not fit 32 MiB");
}

#[tokio::test]
async fn large_replies_that_are_read_come_in_turn_and_those_that_are_not_are_closed() {
    let limits = Limits { memory_bytes: 128 * MIB, ..small() };
    let door = Door::open(with_large(7), limits).await;
    let readers = (0..20).map(async |_| {
        let mut client = door.connect().await;
        client.send(&mget(7)).await;
        let mut bytes = vec![0; "*7\r\n".len() + 7 * (MIB + "$1048576\r\n\r\n".len())];
        let read = client.0.read_exact(&mut bytes);
        tokio::time::timeout(Duration::from_secs(20), read).await.expect("in time").expect("all");
    });
    futures_util::future::join_all(readers).await;
    assert_eq!(says(&door, "evicted_clients").await, 0);

    let door = Door::open(with_large(7), small()).await;
    let mut unread = Vec::new();
    for _ in 0..20 {
        let mut client = door.connect().await;
        client.send(&mget(7)).await;
        unread.push(client);
    }
    let mut other = door.connect().await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        ping(&mut other).await;
        assert!(says(&door, "mem_clients").await <= 32 * MIB);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Those that wait for a turn hold little, and get it when the ones before them take nothing.
    assert!(says(&door, "evicted_clients").await > 0);
}

#[tokio::test]
async fn a_reply_that_will_not_fit_is_not_read_to_its_end() {
    let service = with_large(1);
    let door = Door::open(service.clone(), small()).await;
    let mut client = door.connect().await;
    let keys = [vec!["MGET"], vec!["large:0"; 100_000]].concat();
    client.send(&[frame(&keys), frame(&["PING"])].concat()).await;
    let error = b"-ERR the reply would be too large; ask for fewer keys at once\r\n+PONG\r\n";
    client.expect(error).await;
    let calls = service.state().calls;
    assert!(calls <= 8 + 2, "{calls} reads for a reply of 8 MiB at the most");
    // What is only counted is not held.
    let keys = [vec!["EXISTS"], vec!["large:0"; 1000]].concat();
    client.send(&frame(&keys)).await;
    client.expect(b":1000\r\n").await;
}

#[tokio::test]
async fn long_patterns_are_refused_and_long_lists_let_others_work() {
    let service = Memory::default();
    for at in 0..20_000 {
        let key = format!("{}{at:05}", "a".repeat(505));
        service.state().keys.insert(Key::from(key.as_str()), Value::from(1));
    }
    let door = Door::open(service.clone(), Limits::default()).await;
    let mut other = door.connect().await;
    let mut client = door.connect().await;
    let class = format!("*[{}", "b".repeat(131_072));
    let error = b"-ERR pattern of 131074 bytes is longer than the limit of 1024 bytes\r\n";
    for command in [
        &["KEYS", class.as_str()][..],
        &["SCAN", "0", "MATCH", class.as_str()],
        &["CONFIG", "GET", class.as_str()],
    ] {
        client.send(&frame(command)).await;
        client.expect(error).await;
    }
    // One of the worst that are allowed: some hundred thousand steps for each key.
    let worst = format!("*{}b", "?".repeat(500));
    client.send(&frame(&["KEYS", worst.as_str()])).await;
    while service.state().scans == 0 {
        ping(&mut other).await;
    }
    let begun = Instant::now();
    for _ in 0..10 {
        ping(&mut other).await;
    }
    let (took, pages) = (begun.elapsed(), service.state().scans);
    assert!(took < Duration::from_millis(500), "10 PINGs took {took:?} beside a KEYS");
    // The client goes, and its work ends.
    assert!(pages < 20, "the KEYS has ended before it was looked at");
    rustix::net::sockopt::set_socket_linger(&client.0, Some(Duration::ZERO)).expect("a socket");
    drop(client);
    ping(&mut other).await;
    let pages = service.state().scans;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(service.state().scans <= pages + 1);
}

#[tokio::test]
async fn many_names_are_refused_and_replies_are_left_out_on_demand() {
    let door = Door::open(Memory::default(), Limits::default()).await;
    let mut client = door.connect().await;
    for command in ["COMMAND DOCS", "COMMAND INFO", "CONFIG GET"] {
        let words: Vec<&str> = command.split(' ').chain(vec!["x"; 100_000]).collect();
        client.send(&frame(&words)).await;
        client.expect(b"-ERR 100000 names are more than 256: ask for fewer at once\r\n").await;
    }
    let commands = [
        &["CLIENT", "REPLY", "SKIP"][..],
        &["SET", "a", "1"],
        &["GET", "a"],
        &["CLIENT", "REPLY", "OFF"],
        &["SET", "a", "2"],
        &["MGET", "a", "b"],
        &["nonsense"],
        &["CLIENT", "REPLY", "ON"],
        &["GET", "a"],
    ];
    client.send(&commands.map(frame).concat()).await;
    client.expect(b"$1\r\n1\r\n+OK\r\n$1\r\n2\r\n").await;
}

#[tokio::test]
async fn what_stands_behind_a_refused_multi_is_refused() {
    let service = Memory::default();
    let door = Door::open(service.clone(), Limits::default()).await;
    for (commands, replies) in [
        (
            &["MULTI", "SET m 1", "nonsense", "EXEC", "GET m"][..],
            &[
                "-ERR transactions are not supported: nothing is carried out up to EXEC or DISCARD; \
                 SET with IFEQ writes one key on a condition",
                "-ERR 'SET' was not carried out: it stands behind a MULTI, and transactions are not \
                 supported; EXEC or DISCARD ends what is refused",
                "-ERR 'nonsense' was not carried out: it stands behind a MULTI, and transactions are \
                 not supported; EXEC or DISCARD ends what is refused",
                "-EXECABORT Transaction discarded because of previous errors: transactions are not \
                 supported, nothing was carried out",
                "$-1",
            ][..],
        ),
        (&["MULTI", "INCR m", "DISCARD", "EXISTS m"], &["-ERR tr", "-ERR 'INCR'", "+OK", ":0"]),
        (&["MULTI", "CLIENT REPLY OFF", "RESET", "PING"], &["-ERR", "-ERR", "+RESET", "+PONG"]),
        (&["MULTI", "SET m 1", "QUIT", "SET m 1"], &["-ERR tr", "-ERR 'SET'", "+OK"]),
    ] {
        let mut client = door.connect().await;
        client.send((commands.join("\r\n") + "\r\nQUIT\r\n").as_bytes()).await;
        let said = String::from_utf8(client.rest().await).expect("text");
        for (said, expected) in said.lines().zip(replies) {
            assert!(said.starts_with(expected), "{said} is not {expected}");
        }
        assert!(said.lines().count() >= replies.len(), "{said}");
    }
    assert_eq!(service.state().keys.len(), 0);
}

#[tokio::test]
async fn commands_of_many_small_arguments_let_others_work() {
    let service = Memory::default();
    let door = Door::open(service.clone(), Limits::default()).await;
    let mut client = door.connect().await;
    let mut other = door.connect().await;
    let pairs = (0..60_000).flat_map(|at| [format!("k{at}"), "v".to_string()]);
    let set = frame(&[vec!["MSET".to_string()], pairs.collect()].concat());
    let keys = (0..100_000).map(|at| format!("k{at}"));
    let delete = frame(&[vec!["DEL".to_string()], keys.collect()].concat());
    let mut writer = tokio::spawn(async move {
        client.send(&[set, delete].concat()).await;
        client.expect(b"+OK\r\n:60000\r\n").await;
    });
    let mut slowest = Duration::ZERO;
    loop {
        let begun = Instant::now();
        ping(&mut other).await;
        slowest = slowest.max(begun.elapsed());
        if tokio::time::timeout(Duration::from_millis(1), &mut writer).await.is_ok() {
            break;
        }
    }
    // Parsing one of these is the longest step, and takes some ms.
    assert!(slowest < Duration::from_millis(500), "a PING took {slowest:?}");
}
