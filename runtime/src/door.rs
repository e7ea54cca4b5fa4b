//! The front door of a node: turns what clients ask into operations of the node's gateway.
//!
//! It is to the running gateway what a script is to the checked one, and keeps the same rules: it begins
//! when the gateway says which start this is; a lane has one operation outstanding; a lane's numbers only
//! grow. Door and gateway are one process and start together, so what was under way at a crash has lost
//! its client too.

use crate::driver::Inbox;
use crate::resp::{ScanPage, Service};
use chainring_model::chain::Msg;
use chainring_model::kv::{Key, Op, OpId, Outcome, Refusal};
use stateright::actor::Id;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

/// How many operations of one node are under way at the most; more wait.
const LANES: u32 = 1024;

/// How many KiB of keys and values are under way at the most; more wait.
const KIBIBYTES: u32 = 64 << 10;

/// How long an operation waits for others to end, before it is refused.
const QUEUE_TIME: Duration = Duration::from_secs(5);

/// How long the local replica may take to list keys.
const SCAN_TIME: Duration = Duration::from_secs(5);

/// The INFO lines of a node, made anew each time.
pub type Info = dyn Fn() -> Vec<(String, Vec<(String, String)>)> + Send + Sync;

/// A node's front door. Clones are the same door.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    id: Id,
    gateway: Id,
    to_gateway: Inbox<Msg>,
    to_replica: Inbox<Msg>,
    incarnation: watch::Sender<Option<u32>>,
    lanes: Semaphore,
    kibibytes: Semaphore,
    /// Grows at each scan.
    tickets: AtomicU64,
    state: Mutex<State>,
    info: Box<Info>,
}

#[derive(Default)]
struct State {
    /// Lanes with nothing under way. A door makes lanes until it has [`LANES`].
    free: Vec<u32>,
    made: u32,
    /// The number of each lane's newest operation.
    newest: HashMap<u32, u64>,
    operations: HashMap<OpId, Operation>,
    scans: HashMap<u64, oneshot::Sender<(Vec<Key>, u64)>>,
}

struct Operation {
    tell: oneshot::Sender<Outcome>,
    kibibytes: u32,
}

impl Door {
    /// The door `id` of the gateway and the replica behind these inboxes.
    pub fn new(
        id: Id,
        (gateway, to_gateway): (Id, Inbox<Msg>),
        to_replica: Inbox<Msg>,
        info: Box<Info>,
    ) -> Self {
        Door(Arc::new(Inner {
            id,
            gateway,
            to_gateway,
            to_replica,
            incarnation: watch::Sender::new(None),
            lanes: Semaphore::new(LANES as usize),
            kibibytes: Semaphore::new(KIBIBYTES as usize),
            tickets: AtomicU64::new(0),
            state: Mutex::default(),
            info,
        }))
    }

    /// Takes what gateway and replica say to the door.
    pub fn deliver(&self, msg: Msg) {
        match msg {
            Msg::Opened { incarnation } => {
                self.0.incarnation.send_replace(Some(incarnation));
            }
            Msg::Return { id, outcome } => self.returned(id, outcome),
            Msg::Scanned { ticket, keys, total } => {
                if let Some(tell) = self.0.state().scans.remove(&ticket) {
                    // Whoever asked may have gone; then there is nobody to tell.
                    let _ = tell.send((keys, total));
                }
            }
            _ => {}
        }
    }

    /// Waits until the gateway has started.
    pub async fn opened(&self) -> u32 {
        let mut incarnation = self.0.incarnation.subscribe();
        let opened = incarnation.wait_for(Option::is_some).await;
        // The sender is in `self`, so it is there while we wait.
        opened.ok().and_then(|opened| *opened).unwrap_or_default()
    }

    fn returned(&self, id: OpId, outcome: Outcome) {
        let mut state = self.0.state();
        let Some(Operation { tell, kibibytes }) = state.operations.remove(&id) else { return };
        state.free.push(id.lane);
        drop(state);
        self.0.lanes.add_permits(1);
        self.0.kibibytes.add_permits(kibibytes as usize);
        let _ = tell.send(outcome); // as above
    }

    /// How many operations are under way.
    pub fn under_way(&self) -> usize {
        self.0.state().operations.len()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds this lock can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names an operation in a free lane. The caller holds a permit of `lanes`, so there is one.
    fn begin(&self, incarnation: u32, kibibytes: u32) -> (OpId, oneshot::Receiver<Outcome>) {
        let (tell, told) = oneshot::channel();
        let mut state = self.state();
        let lane = state.free.pop().unwrap_or_else(|| {
            state.made += 1;
            state.made - 1
        });
        let newest = state.newest.entry(lane).or_default();
        *newest += 1;
        let id = OpId { gateway: self.gateway, incarnation, lane, seq: *newest };
        state.operations.insert(id, Operation { tell, kibibytes });
        (id, told)
    }
}

impl Service for Door {
    async fn call(&self, key: Key, op: Op) -> Outcome {
        let door = &self.0;
        let bytes = key.len() + op.bytes();
        let kibibytes = u32::try_from(bytes / 1024 + 1).unwrap_or(KIBIBYTES).min(KIBIBYTES);
        let incarnation = self.opened().await;
        let permits =
            async { (door.kibibytes.acquire_many(kibibytes).await, door.lanes.acquire().await) };
        // What waited in vain was not sent, so nothing has happened, nor will. (The semaphores are never
        // closed.) Permits are given back when the operation returns, not when its client goes away:
        // until then the lane is taken.
        let Ok((Ok(room), Ok(lane))) = timeout(QUEUE_TIME, permits).await else {
            return Outcome::Refused(Refusal::Unavailable);
        };
        room.forget();
        lane.forget();
        let (id, told) = door.begin(incarnation, kibibytes);
        if !door.to_gateway.try_deliver(door.id, Msg::Invoke { id, key, op }) {
            // The gateway has not seen it, so nothing has happened, nor will.
            self.returned(id, Outcome::Refused(Refusal::Unavailable));
        }
        told.await.unwrap_or(Outcome::Unknown)
    }

    async fn scan(&self, after: Option<Key>, limit: usize) -> Option<ScanPage> {
        /// A replica's own limit is higher.
        const PAGE: usize = 1000;
        let door = &self.0;
        let limit = limit.min(PAGE);
        let ticket = door.tickets.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        door.state().scans.insert(ticket, tell);
        let scan = Msg::Scan { ticket, after, limit: limit as u32 }; // at most PAGE
        let delivered = door.to_replica.try_deliver(door.id, scan);
        let answer = if delivered { timeout(SCAN_TIME, told).await.ok() } else { None };
        let Some(Ok((keys, total))) = answer else {
            door.state().scans.remove(&ticket);
            return None;
        };
        Some(ScanPage { more: keys.len() == limit && limit > 0, keys, total })
    }

    fn info(&self) -> Vec<(String, Vec<(String, String)>)> {
        (self.0.info)()
    }
}
