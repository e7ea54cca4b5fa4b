//! Bytes that no client sends by mistake.

use crate::memory::{Door, Memory, frame};
use chainring::resp::Limits;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Panics since the program began: those of a connection's task would go unnoticed.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            report(info);
        }));
    });
}

fn limits() -> Limits {
    Limits { command_bytes: 1 << 20, arguments: 1 << 10, operations: 16, ..Limits::default() }
}

/// Sends bytes in the given pieces, and reads until the server has no more to say.
async fn survive(door: &Door, pieces: Vec<Vec<u8>>) -> Vec<u8> {
    let client = door.connect().await;
    let (mut input, mut output) = client.0.into_split();
    let sent = tokio::spawn(async move {
        for piece in pieces {
            // The server may well have closed the connection by now.
            if output.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = output.shutdown().await;
        output
    });
    let mut replies = Vec::new();
    let read = async {
        while tokio::io::AsyncReadExt::read_buf(&mut input, &mut replies).await.unwrap_or(0) > 0 {}
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("an end");
    drop(sent.await);
    replies
}

#[tokio::test]
async fn random_mutated_and_truncated_frames() {
    count_panics();
    let door = Door::open(Memory::default(), limits()).await;
    let commands: [&[&str]; 10] = [
        &["SET", "k", "v", "IFEQ", "w", "GET"],
        &["MSET", "a", "1", "b", "2"],
        &["MGET", "a", "b", "k"],
        &["SCAN", "0", "MATCH", "[a-", "COUNT", "10"],
        &["HELLO", "3", "AUTH", "default", "x"],
        &["INCRBY", "n", "-9223372036854775808"],
        &["CLIENT", "SETINFO", "lib-name", "x"],
        &["COMMAND", "DOCS", "client|id"],
        &["CONFIG", "SET", "save", "1"],
        &["DEL", "a", "b"],
    ];
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = Vec::new();
        for _ in 0..random.usize(1..20) {
            match random.u8(0..10) {
                0 => bytes.extend((0..random.usize(0..200)).map(|_| random.u8(..))),
                1 => {
                    let alphabet = b"*$:+-_0123456789\r\n\r\n\"' ";
                    let byte = |_| alphabet[random.usize(..alphabet.len())];
                    bytes.extend((0..40).map(byte).collect::<Vec<u8>>());
                }
                2 => bytes.extend(b"SET inline \"quo\\x41ted\" \r\n"),
                _ => {
                    let mut frame = frame(commands[random.usize(..commands.len())]);
                    if random.u8(0..3) == 0 {
                        let at = random.usize(..frame.len());
                        match random.u8(0..3) {
                            0 => frame[at] = random.u8(..),
                            1 => frame.truncate(at),
                            _ => frame.insert(at, random.u8(..)),
                        }
                    }
                    bytes.extend(frame);
                }
            }
        }
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let length = random.usize(1..=bytes.len());
            pieces.push(bytes.drain(..length).collect());
        }
        survive(&door, pieces).await;
        assert_eq!(PANICS.load(Ordering::SeqCst), 0, "seed {seed}");
    }
    assert_eq!(survive(&door, vec![b"PING\r\n".to_vec()]).await, b"+PONG\r\n");
}

#[tokio::test]
async fn lengths_and_depths_beyond_reason() {
    count_panics();
    let door = Door::open(Memory::default(), limits()).await;
    for (bytes, complaint) in [
        (b"*1\r\n".repeat(1 << 18), "expected '$', got '*'"),
        (b"*1000000000\r\n".to_vec(), "invalid multibulk length"),
        (b"*1\r\n$1000000000\r\n".to_vec(), "invalid bulk length"),
        (b"*2\r\n$3\r\nGET\r\n$-2\r\n".to_vec(), "invalid bulk length"),
        (vec![b'9'; 1 << 20], "too big inline request"),
        ([b"*".as_slice(), &[b'1'; 100]].concat(), "too big mbulk count string"),
        (b"%1\r\n$1\r\na\r\n$1\r\nb\r\n".to_vec(), ""),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n".to_vec(), ""),
    ] {
        let replies = survive(&door, vec![bytes]).await;
        let replies = String::from_utf8_lossy(&replies);
        assert!(replies.contains(complaint), "{replies:?} lacks {complaint:?}");
        assert!(replies.len() < 1000, "{replies:?}");
    }
    assert_eq!(survive(&door, vec![frame(&["EXISTS", "k"])]).await, b":0\r\n");
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_value_that_drips_in_byte_by_byte() {
    let door = Door::open(Memory::default(), limits()).await;
    let bytes = [frame(&["SET", "k", "a\r\nb"]), b"GET k\r\n".to_vec()].concat();
    let replies = survive(&door, bytes.iter().map(|byte| vec![*byte]).collect()).await;
    assert_eq!(replies, b"+OK\r\n$4\r\na\r\nb\r\n");
    // Half a megabyte in pieces of 50 bytes would take minutes if each piece began at the first
    // byte.
    let frame = frame(&[&b"ECHO"[..], &vec![b'x'; 1 << 19]]);
    let pieces = frame.chunks(50).map(<[u8]>::to_vec).collect();
    let replies = survive(&door, pieces).await;
    assert_eq!(replies.len(), (1 << 19) + "$524288\r\n\r\n".len());
}
