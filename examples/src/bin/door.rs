//! The RESP front door with nothing behind it but a map in memory: no cluster, no disk. For trying
//! clients by hand.
//!
//! ```sh
//! cargo run --release -p chainring-examples --bin door -- 127.0.0.1:7379
//! redis-cli -p 7379 set greeting hello
//! redis-benchmark -p 7379 -t set,get -n 100000 -c 50 -P 16
//! ```

use chainring::resp::{Limits, Position, ScanPage, Server, Service};
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, Outcome, Value};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

/// Every key, behind one lock.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<Key, Value>>>);

impl Service for Memory {
    async fn call(&self, key: Key, op: Op, _: Reads) -> Outcome {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, outcome) = op.apply(keys.get(&key));
        if !op.is_read() {
            match next {
                Some(value) => keys.insert(key, value),
                None => keys.remove(&key),
            };
        }
        outcome
    }

    async fn scan(&self, from: Position, limit: usize) -> Option<ScanPage> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = from.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = keys.range((from, Bound::Unbounded)).map(|(key, _)| key);
        let page: Vec<_> = rest.by_ref().take(limit).cloned().collect();
        let last = page.last().cloned().filter(|_| rest.next().is_some());
        let next = last.map(|last| Position { part: 0, after: Some(last) });
        Some(ScanPage { keys: page, next })
    }

    async fn size(&self) -> Option<u64> {
        Some(self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }

    fn info(&self) -> Vec<(String, Vec<(String, String)>)> {
        let line = ("what".to_string(), "a map in memory, for trying clients by hand".to_string());
        vec![("Door".to_string(), vec![line])]
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7379".to_string());
    let server = Server::bind(address, Memory::default(), Limits::default()).await?;
    println!("in memory, at {}; end with Ctrl-C", server.local_addr()?);
    let interrupted = async {
        // Where signals cannot be waited for, it ends at once rather than never.
        let _ = tokio::signal::ctrl_c().await;
    };
    server.serve(interrupted).await;
    Ok(())
}
