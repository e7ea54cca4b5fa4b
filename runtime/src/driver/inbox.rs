//! The way in: a bounded queue that an actor's thread empties a batch at a time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stateright::actor::Id;

/// Delivers messages to one actor. Clones lead to the same actor.
///
/// The queue behind it is bounded, in messages and in bytes. When it is full, a message is lost,
/// and counted: the protocols expect loss, and a queue that grows without bound only delays it.
pub struct Inbox<Msg>(Arc<Shared<Msg>>);

impl<Msg> Clone for Inbox<Msg> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A message that waits: its sender, what it is, and how many bytes of memory it takes, if it came
/// from the wire.
pub(super) type Waiting<Msg> = (Id, Msg, usize);

struct Shared<Msg> {
    queue: Mutex<Queue<Msg>>,
    ready: Condvar,
    messages: usize,
    bytes: usize,
    lost: AtomicU64,
}

struct Queue<Msg> {
    waiting: VecDeque<Waiting<Msg>>,
    /// The bytes of all that waits.
    bytes: usize,
    /// Whether the actor's thread sleeps, so that it must be woken.
    asleep: bool,
    /// Whether a turn without a message was asked for.
    woken: bool,
    /// Whether the actor was asked to end, or has ended.
    stopped: bool,
}

impl<Msg> Inbox<Msg> {
    pub(super) fn new(messages: usize, bytes: usize) -> Self {
        Self(Arc::new(Shared {
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                bytes: 0,
                asleep: false,
                woken: false,
                stopped: false,
            }),
            ready: Condvar::new(),
            messages,
            bytes,
            lost: AtomicU64::new(0),
        }))
    }

    /// Puts a message into the queue. `false` says that it was lost, because the queue is full or
    /// the actor has ended.
    pub fn try_deliver(&self, src: Id, msg: Msg) -> bool {
        self.try_deliver_sized(src, msg, 0)
    }

    /// Like [`Inbox::try_deliver`], for a message of which the sender knows how many bytes of
    /// memory it takes.
    pub fn try_deliver_sized(&self, src: Id, msg: Msg, bytes: usize) -> bool {
        let mut queue = self.lock();
        if queue.stopped
            || queue.waiting.len() >= self.0.messages
            || queue.bytes.saturating_add(bytes) > self.0.bytes
        {
            drop(queue);
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        queue.bytes += bytes;
        queue.waiting.push_back((src, msg, bytes));
        self.rouse(queue);
        true
    }

    /// Makes the actor's thread take a turn now, also when there is no message and no deadline that
    /// it knows of.
    pub fn wake(&self) {
        let mut queue = self.lock();
        queue.woken = true;
        self.rouse(queue);
    }

    /// How many messages were lost here.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Asks the actor to end. What waits is not taken any more.
    pub(super) fn stop(&self) {
        let mut queue = self.lock();
        queue.stopped = true;
        self.rouse(queue);
    }

    /// Drops what waits; nothing is taken in any more.
    pub(super) fn close(&self) {
        let mut queue = self.lock();
        queue.stopped = true;
        let waiting = std::mem::take(&mut queue.waiting);
        queue.bytes = 0;
        drop(queue);
        self.0.lost.fetch_add(waiting.len() as u64, Ordering::Relaxed);
    }

    /// Moves up to `limit` messages into `batch`, which is empty. When there is none, waits for
    /// one, for a wake-up, or for as long as `patience` says. `false` says that the actor shall
    /// end.
    pub(super) fn take(
        &self,
        batch: &mut VecDeque<Waiting<Msg>>,
        limit: usize,
        patience: impl FnOnce() -> Option<Duration>,
    ) -> bool {
        let mut queue = self.lock();
        if queue.waiting.is_empty() && !queue.woken && !queue.stopped {
            let until = patience().map(|patience| Instant::now() + patience);
            while queue.waiting.is_empty() && !queue.woken && !queue.stopped {
                queue.asleep = true;
                queue = match until {
                    None => (self.0.ready.wait(queue)).unwrap_or_else(PoisonError::into_inner),
                    Some(until) => {
                        let left = until.saturating_duration_since(Instant::now());
                        if left.is_zero() {
                            break;
                        }
                        (self.0.ready.wait_timeout(queue, left))
                            .unwrap_or_else(PoisonError::into_inner)
                            .0
                    }
                };
            }
            queue.asleep = false;
        }
        if queue.stopped {
            return false;
        }
        queue.woken = false;
        if queue.waiting.len() <= limit {
            queue.bytes = 0;
            std::mem::swap(&mut queue.waiting, batch);
        } else {
            batch.extend(queue.waiting.drain(..limit));
            queue.bytes -= batch.iter().map(|(_, _, bytes)| bytes).sum::<usize>();
        }
        true
    }

    fn rouse(&self, queue: MutexGuard<'_, Queue<Msg>>) {
        let asleep = queue.asleep;
        drop(queue);
        if asleep {
            self.0.ready.notify_one();
        }
    }

    /// No code that can panic half-way through a change runs under this lock, so a poisoned one is
    /// sound.
    fn lock(&self) -> MutexGuard<'_, Queue<Msg>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_inbox_loses_and_counts() {
        let inbox = Inbox::new(3, 100);
        let id = Id::from(1);
        assert!(inbox.try_deliver_sized(id, 'a', 60));
        assert!(!inbox.try_deliver_sized(id, 'b', 60));
        assert!(!inbox.try_deliver_sized(id, 'c', usize::MAX));
        assert!(inbox.try_deliver_sized(id, 'd', 40));
        assert!(inbox.try_deliver(id, 'e'));
        assert!(!inbox.try_deliver(id, 'f'));
        assert_eq!(inbox.lost(), 3);

        let mut batch = VecDeque::new();
        assert!(inbox.take(&mut batch, 1, || None));
        assert_eq!(batch.pop_front(), Some((id, 'a', 60)));
        assert!(inbox.try_deliver_sized(id, 'g', 60));
        assert!(inbox.take(&mut batch, 9, || None));
        let order: String = batch.drain(..).map(|(_, msg, _)| msg).collect();
        assert_eq!(order, "deg");

        inbox.wake();
        assert!(inbox.take(&mut batch, 9, || None));
        assert!(batch.is_empty());
        inbox.stop();
        assert!(!inbox.try_deliver(id, 'h'));
        assert!(!inbox.take(&mut batch, 9, || None));
    }
}
