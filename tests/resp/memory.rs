//! A service in memory, with knobs.

use chainring::resp::{Limits, Position, ScanPage, Server, Service};
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, Outcome, Refusal, Value};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A map behind a lock. The beginning of a key says how it behaves: `unknown:` a write ends as
/// unknown, a read as unavailable; `unsure:` reads work, writes end as unknown and do happen;
/// `busy:` another client always comes between a read and a write; `away:` no replica can be asked.
#[derive(Clone, Default)]
pub struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// How long each operation takes.
    delay: Duration,
    state: Mutex<State>,
}

/// What happened so far.
#[derive(Default)]
pub struct State {
    pub keys: BTreeMap<Key, Value>,
    /// Operations begun.
    pub calls: usize,
    /// Operations in flight now, and the most that ever were.
    pub flying: usize,
    pub most_flying: usize,
    flying_by_key: HashMap<Key, usize>,
    /// The most that ever were in flight on one key.
    pub most_by_key: usize,
    /// Pages listed.
    pub scans: usize,
}

impl Memory {
    pub fn slow(delay: Duration) -> Self {
        Memory(Arc::new(Inner { delay, ..Inner::default() }))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no test panics while it holds the lock")
    }
}

impl Service for Memory {
    async fn call(&self, key: Key, op: Op, _: Reads) -> Outcome {
        {
            let mut state = self.state();
            state.calls += 1;
            state.flying += 1;
            state.most_flying = state.most_flying.max(state.flying);
            let here = state.flying_by_key.entry(key.clone()).or_default();
            *here += 1;
            let here = *here;
            state.most_by_key = state.most_by_key.max(here);
        }
        if !self.0.delay.is_zero() {
            tokio::time::sleep(self.0.delay).await;
        }
        let mut state = self.state();
        state.flying -= 1;
        if let Some(here) = state.flying_by_key.get_mut(&key) {
            *here -= 1;
        }
        if key.starts_with(b"unknown:") {
            return if op.is_read() {
                Outcome::Refused(Refusal::Unavailable)
            } else {
                Outcome::Unknown
            };
        }
        if key.starts_with(b"away:") {
            return Outcome::Refused(Refusal::Unavailable);
        }
        if key.starts_with(b"busy:") && !op.is_read() {
            return Outcome::Refused(match op {
                Op::Create(_) => Refusal::Exists,
                _ => Refusal::Mismatch,
            });
        }
        let (next, outcome) = op.apply(state.keys.get(&key));
        let unsure = key.starts_with(b"unsure:") && !op.is_read();
        match next {
            Some(value) => state.keys.insert(key, value),
            None => state.keys.remove(&key),
        };
        if unsure { Outcome::Unknown } else { outcome }
    }

    async fn scan(&self, from: Position, limit: usize) -> Option<ScanPage> {
        let mut state = self.state();
        state.scans += 1;
        if state.keys.contains_key(&Key::from("no replica")) {
            return None;
        }
        let from = from.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = state.keys.range((from, Bound::Unbounded)).map(|(key, _)| key);
        let keys: Vec<_> = rest.by_ref().take(limit).cloned().collect();
        let last = keys.last().cloned().filter(|_| rest.next().is_some());
        let next = last.map(|last| Position { part: 0, after: Some(last) });
        Some(ScanPage { keys, next })
    }

    async fn size(&self) -> Option<u64> {
        let state = self.state();
        (!state.keys.contains_key(&Key::from("no replica"))).then_some(state.keys.len() as u64)
    }

    fn info(&self) -> Vec<(String, Vec<(String, String)>)> {
        vec![("Knobs".to_string(), vec![("knobs".to_string(), "3".to_string())])]
    }
}

/// A server that runs until it is told to stop.
pub struct Door {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Door {
    pub async fn open(service: Memory, limits: Limits) -> Self {
        let server = Server::bind("127.0.0.1:0", service, limits).await.expect("loopback");
        let address = server.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(server.serve(async {
            // A test that forgot the door stops it too.
            let _ = stopped.await;
        }));
        Door { address, stop, serving }
    }

    pub async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.expect("the door is open"))
    }

    /// Begins a shutdown; the handle ends with it.
    pub fn stop(self) -> JoinHandle<()> {
        let _ = self.stop.send(());
        self.serving
    }
}

/// A client that reads as little as a test wants.
pub struct Client(pub TcpStream);

const PATIENCE: Duration = Duration::from_secs(20);

impl Client {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("connected");
    }

    /// Reads exactly as much as is expected, and compares.
    pub async fn expect(&mut self, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        let read = tokio::time::timeout(PATIENCE, self.0.read_exact(&mut bytes)).await;
        read.expect("a reply in time").expect("a whole reply");
        assert_eq!(bytes.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    /// Reads until `end` has come, or the connection ends.
    pub async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = async {
            while end.is_empty() || !bytes.ends_with(end) {
                if self.0.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("a reply in time");
        bytes
    }

    /// Reads until the connection ends.
    pub async fn rest(&mut self) -> Vec<u8> {
        self.until(b"").await
    }
}

/// A command as clients send it.
pub fn frame<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        frame.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        frame.extend_from_slice(argument);
        frame.extend_from_slice(b"\r\n");
    }
    frame
}
