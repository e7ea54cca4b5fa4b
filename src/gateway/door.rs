//! A door: turns what clients ask into operations of one gateway, which is one chain's, or the
//! ring's.
//!
//! It is to the running gateway what a script is to the checked one, and keeps the same rules: it
//! begins when the gateway says which start this is; a lane has one operation outstanding; a lane's
//! numbers only grow. Door and gateway are one process and start together, so what was under way at
//! a crash has lost its client too.
//!
//! A node has a door for each chain; [`Front`](crate::front::Front) puts them together.

use super::turns::Turns;
use crate::protocol::{Heard, Protocol};
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, OpId, Outcome, Refusal};
use chainring_runtime::driver::Inbox;
use stateright::actor::Id;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// How many operations of one node are under way at the most; more wait.
const LANES: u32 = 1024;

/// How many KiB of keys and values are under way at the most; more wait.
const KIBIBYTES: u32 = 64 << 10;

/// How long an operation waits for others to end, before it is refused.
const QUEUE_TIME: Duration = Duration::from_secs(5);

/// How long it may take to list keys, and how long those that were asked may before others are.
const SCAN_TIME: Duration = Duration::from_secs(5);
const SCAN_PATIENCE: Duration = Duration::from_millis(500);

/// How many answers to one question wait at the most; more are lost.
const ANSWERS: usize = 64;

/// Sends a message of the door to an actor, here or elsewhere; it may be lost.
pub(crate) type Courier<Msg> = dyn Fn(Id, Id, Msg) + Send + Sync;

/// A question for keys, to the replica that can answer it, or to several.
pub(crate) trait Enquiry<P: Protocol>: Send {
    /// What it comes to.
    type Answer: Send;

    /// Which actors to ask what at this moment. Called again when there was no answer for a while:
    /// one may have died.
    fn ask(&mut self, ticket: u64) -> Vec<(Id, P::Msg)>;

    /// Takes an answer; what it comes to, if that is enough.
    fn take(&mut self, src: Id, page: P::Page) -> Option<Self::Answer>;
}

/// The client of one gateway. Clones are the same door.
pub(crate) struct Door<P: Protocol>(Arc<Inner<P>>);

struct Inner<P: Protocol> {
    id: Id,
    gateway: Id,
    to_gateway: Inbox<P::Msg>,
    courier: Arc<Courier<P::Msg>>,
    incarnation: watch::Sender<Option<u32>>,
    lanes: Semaphore,
    kibibytes: Semaphore,
    turns: Turns,
    /// Grows at each question.
    tickets: AtomicU64,
    state: Mutex<State<P::Page>>,
}

struct State<Page> {
    /// Lanes with nothing under way. A door makes lanes until it has [`LANES`].
    free: Vec<u32>,
    made: u32,
    /// The number of each lane's newest operation.
    newest: HashMap<u32, u64>,
    operations: HashMap<OpId, Operation>,
    questions: HashMap<u64, mpsc::Sender<(Id, Page)>>,
}

struct Operation {
    tell: oneshot::Sender<Outcome>,
    kibibytes: u32,
}

impl<P: Protocol> Clone for Door<P> {
    fn clone(&self) -> Self {
        Door(Arc::clone(&self.0))
    }
}

impl<P: Protocol> Door<P> {
    /// The door `id` of the gateway behind this inbox.
    pub fn new(
        id: Id,
        (gateway, to_gateway): (Id, Inbox<P::Msg>),
        courier: Arc<Courier<P::Msg>>,
    ) -> Self {
        Door(Arc::new(Inner {
            id,
            gateway,
            to_gateway,
            courier,
            incarnation: watch::Sender::new(None),
            lanes: Semaphore::new(LANES as usize),
            kibibytes: Semaphore::new(KIBIBYTES as usize),
            turns: Turns::default(),
            tickets: AtomicU64::new(0),
            state: Mutex::new(State {
                free: Vec::new(),
                made: 0,
                newest: HashMap::new(),
                operations: HashMap::new(),
                questions: HashMap::new(),
            }),
        }))
    }

    /// Sends a message that is no operation; it may be lost.
    pub fn send(&self, dst: Id, msg: P::Msg) {
        (self.0.courier)(self.0.id, dst, msg);
    }

    /// Takes what is said to the door.
    pub fn deliver(&self, src: Id, msg: P::Msg) {
        match P::heard(msg) {
            Some(Heard::Opened(incarnation)) => {
                self.0.incarnation.send_replace(Some(incarnation));
            }
            Some(Heard::Returned(id, outcome)) => self.returned(id, outcome),
            Some(Heard::Listed(ticket, page)) => {
                if let Some(tell) = self.0.state().questions.get(&ticket) {
                    // The client may have gone, or have enough to read; then this is lost.
                    let _ = tell.try_send((src, page));
                }
            }
            None => {}
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

    /// Carries out one operation: see [`Service::call`](crate::resp::Service::call).
    pub async fn call(&self, key: Key, op: Op, reads: Reads) -> Outcome {
        let door = &self.0;
        let bytes = key.len() + op.bytes();
        let kibibytes = u32::try_from(bytes / 1024 + 1).unwrap_or(KIBIBYTES).min(KIBIBYTES);
        let incarnation = self.opened().await;
        let (turn, is_read) = (key.clone(), op.is_read());
        let turn =
            async { if P::IN_TURN { Some(door.turns.wait(turn, is_read).await) } else { None } };
        let Ok(_turn) = timeout(QUEUE_TIME, turn).await else {
            return Outcome::Refused(Refusal::Unavailable); // as below
        };
        let permits =
            async { (door.kibibytes.acquire_many(kibibytes).await, door.lanes.acquire().await) };
        // What waited in vain was not sent, so nothing has happened, nor will. (The semaphores are
        // never closed.) Permits are given back when the operation returns, not when its client
        // goes away: until then the lane is taken.
        let Ok((Ok(room), Ok(lane))) = timeout(QUEUE_TIME, permits).await else {
            return Outcome::Refused(Refusal::Unavailable);
        };
        room.forget();
        lane.forget();
        let (id, told) = door.begin(incarnation, kibibytes);
        if !door.to_gateway.try_deliver(door.id, P::invoke(id, key, op, reads)) {
            // The gateway has not seen it, so nothing has happened, nor will.
            self.returned(id, Outcome::Refused(Refusal::Unavailable));
        }
        told.await.unwrap_or(Outcome::Unknown)
    }

    /// Asks for keys, and after a while again. `None` if there is no answer in time.
    pub async fn enquire<E: Enquiry<P>>(&self, mut enquiry: E) -> Option<E::Answer> {
        let door = &self.0;
        let ticket = door.tickets.fetch_add(1, Ordering::Relaxed);
        let (tell, mut told) = mpsc::channel(ANSWERS);
        door.state().questions.insert(ticket, tell);
        let _forget = Forget { door, ticket };
        let end = Instant::now() + SCAN_TIME;
        while Instant::now() < end {
            for (dst, msg) in enquiry.ask(ticket) {
                self.send(dst, msg);
            }
            let again = Instant::now() + SCAN_PATIENCE;
            while let Ok(Some((src, page))) = timeout_at(again, told.recv()).await {
                if let Some(answer) = enquiry.take(src, page) {
                    return Some(answer);
                }
            }
        }
        None
    }
}

/// Forgets a question when no client waits for its answers any more.
struct Forget<'a, P: Protocol> {
    door: &'a Inner<P>,
    ticket: u64,
}

impl<P: Protocol> Drop for Forget<'_, P> {
    fn drop(&mut self) {
        self.door.state().questions.remove(&self.ticket);
    }
}

impl<P: Protocol> Inner<P> {
    fn state(&self) -> MutexGuard<'_, State<P::Page>> {
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
