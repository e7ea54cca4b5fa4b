//! Runs `transcript.txt`.

use crate::memory::{Client, Door, Memory, frame};
use chainring::resp::Limits;
use std::fmt::Write;

const TRANSCRIPT: &str = include_str!("transcript.txt");
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/resp/transcript.txt");

#[tokio::test]
async fn every_command_gets_the_bytes_that_the_transcript_says() {
    let mut actual = String::new();
    let mut connected: Option<(Door, Client)> = None;
    for line in TRANSCRIPT.lines() {
        if line.starts_with('<') {
            continue;
        }
        writeln!(actual, "{line}").expect("strings take everything");
        if line.starts_with("==") {
            let door = Door::open(Memory::default(), Limits::default()).await;
            let client = door.connect().await;
            connected = Some((door, client));
        }
        if let Some(words) = line.strip_prefix("> ") {
            let (_, client) = connected.as_mut().expect("a scene begins with ==");
            client.send(&frame(&split(words))).await;
            client.send(&frame(&[&b"ECHO"[..], MARK])).await;
            let reply = client.until(b"$5\r\n\x00mark\r\n").await;
            actual.push_str(&show(&reply));
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, &actual).expect("the transcript can be written");
        return;
    }
    for (number, (actual, expected)) in actual.lines().zip(TRANSCRIPT.lines()).enumerate() {
        assert_eq!(actual, expected, "transcript.txt, line {}", number + 1);
    }
    assert_eq!(actual.lines().count(), TRANSCRIPT.lines().count());
}

const MARK: &[u8] = b"\x00mark";

/// The reply without the mark that follows it, as lines of the transcript. What differs between two
/// runs is replaced.
fn show(reply: &[u8]) -> String {
    let (reply, ended) = match reply.strip_suffix(b"$5\r\n\x00mark\r\n") {
        Some(reply) => (reply, false),
        None => (reply, true),
    };
    let mut shown = String::new();
    let mut rest = reply;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").map_or(rest.len(), |at| at);
        let line = rest[..end].escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'");
        writeln!(shown, "< {line}").expect("strings take everything");
        rest = &rest[(end + 2).min(rest.len())..];
    }
    if ended {
        shown.push_str("< (end)\n");
    }
    shown
}

fn split(line: &str) -> Vec<Vec<u8>> {
    let (mut words, mut quoted) = (Vec::new(), false);
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            b' ' if !quoted => words.extend(word.take()),
            b'\\' => {
                let byte = match bytes.next() {
                    Some(b'r') => b'\r',
                    Some(b'n') => b'\n',
                    Some(b'x') => {
                        let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                        u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
                    }
                    other => panic!("unknown escape {other:?} in {line}"),
                };
                word.get_or_insert_default().push(byte);
            }
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}
