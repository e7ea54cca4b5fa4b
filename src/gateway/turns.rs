//! Turns: which operation works on a key at this moment.
//!
//! On a ring every write of a key is an attempt with a ballot of its own, and of two attempts at
//! the same time one is refused and begins again. Between gateways that is how it has to be.
//! Through one gateway it would be a waste, and with many clients none would get anywhere: so the
//! writes of a key that come in through one door go one after the other, in the order in which they
//! came, and reads go together, between them.

use chainring_model::kv::Key;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// The keys that an operation works on, or waits for.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<Key, Arc<RwLock<()>>>>);

/// One's turn; it is the next one's when this goes.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    key: Key,
    guard: Option<Guard>,
}

#[allow(dead_code, reason = "they are held, and never looked at")]
enum Guard {
    Read(OwnedRwLockReadGuard<()>),
    Write(OwnedRwLockWriteGuard<()>),
}

impl Turns {
    /// Waits for one's turn: reads go together, a write goes alone.
    pub async fn wait(&self, key: Key, is_read: bool) -> Turn<'_> {
        let lock = Arc::clone(self.keys().entry(key.clone()).or_default());
        // From here on, also if no operation waits any more, the key is forgotten when it is free.
        let mut turn = Turn { turns: self, key, guard: None };
        turn.guard = Some(if is_read {
            Guard::Read(lock.read_owned().await)
        } else {
            Guard::Write(lock.write_owned().await)
        });
        turn
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<Key, Arc<RwLock<()>>>> {
        // No code that holds this lock can panic half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut keys = self.turns.keys();
        // An operation that waits holds another pointer, which it got under this lock.
        if keys.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn writes_of_a_key_go_one_by_one_and_nothing_is_remembered() {
        let turns = Turns::default();
        let key = || Key::from("k");
        let soon = Duration::from_millis(20);
        let first = turns.wait(key(), false).await;
        assert!(timeout(soon, turns.wait(key(), false)).await.is_err());
        assert!(timeout(soon, turns.wait(key(), true)).await.is_err());
        let other = turns.wait(Key::from("other"), false).await;
        assert_eq!(turns.keys().len(), 2);
        drop(first);
        let reads = (turns.wait(key(), true).await, turns.wait(key(), true).await);
        assert!(timeout(soon, turns.wait(key(), false)).await.is_err());
        drop((reads, other));
        assert_eq!(turns.keys().len(), 0);
    }
}
