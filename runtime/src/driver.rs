//! Runs any stateright actor, and keeps the promise on which its proof rests.
//!
//! A model runs a handler as one atomic step: the state changes, the storage is saved and the
//! messages are in the network, all at once or not at all. A process has no such step. The driver
//! makes one, out of two threads per actor: the *actor's thread* computes, the *commit thread*
//! stores and speaks. This is a second interpreter of the commands that `ActorModel` interprets;
//! nothing in an actor can tell which of the two it runs under.
//!
//! # The duties of one turn
//!
//! 1. **Take a batch** of messages from the inbox. When there is none, wait until one comes or the
//!    next deadline is due.
//! 2. **Then read the clock, once.** After the batch was taken, because a message of the batch was
//!    sent before that reading: so a lease that is live at the reading was live when the message
//!    that relies on it was sent, however long this process slept in between. Once, because two
//!    readings in one turn could disagree about what is due. The clock is one that counts while the
//!    machine is suspended.
//! 3. **Fire every timer that is due at that reading**, before any message of the batch. A timer is
//!    forgotten before its handler runs. One that a handler of this turn sets for "at once" belongs
//!    to the next turn.
//! 4. **Run the handlers** for the messages, in order. New deadlines count from the reading of this
//!    turn, not from the moment in which they are set: a handler that says "in a second" means a
//!    second after the time at which it believes to run.
//! 5. **Commit the newest save** of the batch, synced. It contains the earlier ones.
//! 6. **Only then release the messages** of the batch, in order.
//!
//! # Pipelining, and what it may not break
//!
//! While the commit thread stores one batch, the actor's thread computes the next, up to
//! [`DriverConfig::depth`] ahead; what has piled up by then is stored with one sync. Batch *n*
//! leaves only when batches 1 to *n* are durable, **also when batch *n* saved nothing**: its
//! messages may tell of a write that an earlier batch made, and a power cut could take that back.
//! ```text
//! actor's thread    compute 1 | compute 2 | compute 3 |  …
//! commit thread               | sync 1         | send 1 | sync 2, 3       | send 2, 3
//!                                         ^ batch 2 is computed, and silent
//! ```
//!
//! # Ways to end
//!
//! - [`Handle::stop`]: the turn in hand is finished, everything computed is committed and released.
//! - A commit fails: the actor ends and nothing of that batch, or after it, leaves. There is no
//!   second try.
//! - The disk finds that its store is gone, which it is asked twice a second: as if a commit had
//!   failed.
//! - A handler panics: the actor ends; nothing of that turn is saved or leaves. Turns before it
//!   are, as they were sound.
//! - The trace cannot be written: the actor ends as if the commit had failed. A trace that was
//!   asked for has to be whole.
//!
//! In each case the actor is, to the others, one that crashed: which is what the proofs have seen.

mod deadlines;
mod inbox;
mod observe;
mod route;

use std::any::Any;
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::io::{self, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use stateright::actor::{Actor, Command, Id, Out};
use thiserror::Error;

pub use self::inbox::Inbox;
pub use self::observe::{CommandOf, Event, Observer, Step};
pub use self::route::{Outbox, Router, Routes};

use self::deadlines::Deadlines;
use self::inbox::Waiting;
use crate::clock::{BootClock, Clock};
use crate::disk::{Disk, DiskError, Failed};

/// The sizes of a driver.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// How many messages wait in the inbox before more are lost.
    pub inbox_messages: usize,
    /// How many bytes of messages from the wire wait in the inbox, by what they take in memory,
    /// before more are lost.
    pub inbox_bytes: usize,
    /// How many messages one turn takes at most.
    pub batch: usize,
    /// How many computed batches wait for the commit thread before the actor's thread waits too.
    pub depth: usize,
    /// How long after it was asked for a random choice is made.
    pub random_delay: Range<Duration>,
    /// What random choices and the spread of timers are drawn from; `None` for a new seed at each
    /// start.
    pub seed: Option<u64>,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            inbox_messages: 16 * 1024,
            inbox_bytes: 64 << 20,
            batch: 1024,
            depth: 4,
            random_delay: Duration::ZERO..Duration::from_millis(10),
            seed: None,
        }
    }
}

/// Why an actor did not start, or ended.
#[derive(Debug, Error)]
pub enum DriverError {
    /// When the disk has nothing good to start from.
    #[error("actor {id} does not start: {source}")]
    Load {
        /// Which actor.
        id: usize,
        /// What the disk said.
        source: DiskError,
    },

    /// When a save did not become durable.
    #[error("actor {id} ended, with nothing sent, because a save did not become durable: {source}")]
    Commit {
        /// Which actor.
        id: usize,
        /// What the disk said.
        source: DiskError,
    },

    /// When the disk finds that the store is no longer what the actor relies on.
    #[error("actor {id} ended, as its store cannot be relied on any more: {source}")]
    Store {
        /// Which actor.
        id: usize,
        /// What the disk said.
        source: DiskError,
    },

    /// When a trace was asked for and could not be written.
    #[error(
        "actor {id} ended, with nothing sent, because its trace could not be written: {source}"
    )]
    Trace {
        /// Which actor.
        id: usize,
        /// What the operating system said.
        source: io::Error,
    },

    /// When the actor, or something that runs on its threads, panicked.
    #[error("actor {id} ended because {place} panicked: {what}")]
    Panicked {
        /// Which actor.
        id: usize,
        /// What panicked.
        place: &'static str,
        /// What it said.
        what: String,
    },

    /// When there are no more threads to be had.
    #[error("actor {id} does not start, because it got no thread: {source}")]
    Thread {
        /// Which actor.
        id: usize,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What an actor has done so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Handlers run.
    pub steps: u64,
    /// Turns in which at least one handler ran.
    pub batches: u64,
    /// Saves that handlers put out.
    pub saves: u64,
    /// Commits of the disk: fewer than saves, when batches grow.
    pub commits: u64,
    /// Messages released.
    pub released: u64,
    /// Messages for this actor that were lost because its inbox was full.
    pub inbox_lost: u64,
}

/// An actor that is about to run.
///
/// Its inbox exists before it does, so that a process can lay out its [`Routes`] before the first
/// actor speaks.
pub struct Driver<A: Actor, D> {
    id: Id,
    actor: A,
    disk: D,
    config: DriverConfig,
    clock: Box<dyn Clock>,
    observer: Option<Box<dyn Observer<A>>>,
    trace: Option<Box<dyn Write + Send>>,
    at_end: Option<AtEnd>,
    inbox: Inbox<A::Msg>,
}

type AtEnd = Box<dyn FnOnce(Id, &Result<(), DriverError>) + Send>;

impl<A, D> Driver<A, D>
where
    A: Actor + Send + 'static,
    A::Msg: Send + 'static,
    A::Storage: Send,
    D: Disk<Storage = A::Storage>,
{
    /// An actor under an `Id`, with its disk.
    pub fn new(id: Id, actor: A, disk: D) -> Self {
        Self::with(id, actor, disk, DriverConfig::default())
    }

    /// Like [`Driver::new`], with other sizes.
    pub fn with(id: Id, actor: A, disk: D, config: DriverConfig) -> Self {
        Self {
            id,
            actor,
            disk,
            clock: Box::new(BootClock),
            observer: None,
            trace: None,
            at_end: None,
            inbox: Inbox::new(config.inbox_messages.max(1), config.inbox_bytes),
            config,
        }
    }

    /// Uses another clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Lets an observer see every step, and writes what it makes of them to `trace`, in one
    /// `write_all` per commit. Give it a `File` and not a buffered writer if the trace must survive
    /// a killed process.
    pub fn observed(
        mut self,
        observer: impl Observer<A> + 'static,
        trace: impl Write + Send + 'static,
    ) -> Self {
        self.observer = Some(Box::new(observer));
        self.trace = Some(Box::new(trace));
        self
    }

    /// Calls a function when the actor ends, for whatever reason, on the actor's thread.
    pub fn at_end(
        mut self,
        call: impl FnOnce(Id, &Result<(), DriverError>) + Send + 'static,
    ) -> Self {
        self.at_end = Some(Box::new(call));
        self
    }

    /// Its actor's `Id`.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The way in.
    pub fn inbox(&self) -> Inbox<A::Msg> {
        self.inbox.clone()
    }

    /// Loads the storage and starts the actor. `outbox` gets its messages, except those to itself.
    pub fn spawn(
        mut self,
        outbox: impl Outbox<A::Msg> + 'static,
    ) -> Result<Handle<A::Msg>, DriverError> {
        let id = self.id;
        let number = usize::from(id);
        let storage =
            (self.disk.load()).map_err(|source| DriverError::Load { id: number, source })?;

        let counters = Arc::new(Tally::default());
        let (to_commit, batches) = sync_channel(self.config.depth.max(1));
        let (used, spare) = channel();
        let committer = Committer {
            id,
            disk: self.disk,
            outbox,
            trace: self.trace,
            inbox: self.inbox.clone(),
            counters: Arc::clone(&counters),
            used,
        };
        let commit_thread = thread::Builder::new()
            .name(format!("commit-{number}"))
            .spawn(move || committer.run(&batches))
            .map_err(|source| DriverError::Thread { id: number, source })?;

        let actor = self.actor;
        let (clock, observer, config, inbox) =
            (self.clock, self.observer, self.config, self.inbox.clone());
        let (at_end, tally) = (self.at_end, Arc::clone(&counters));
        let thread = thread::Builder::new()
            .name(format!("actor-{number}"))
            .spawn(move || {
                let rng = config.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
                let turner = Turner {
                    id,
                    actor,
                    inbox: inbox.clone(),
                    clock,
                    config,
                    rng,
                    deadlines: Deadlines::new(),
                    choices: HashMap::new(),
                    observer,
                    batch: Batch::new(),
                    to_commit,
                    spare,
                    counters: tally,
                };
                let computed = turner.run(storage);
                inbox.close();
                // `run` has dropped the sender, so the commit thread ends when it has done all it
                // was given.
                let committed = commit_thread.join().unwrap_or_else(|panic| {
                    Err(DriverError::Panicked {
                        id: number,
                        place: "its disk or its outbox",
                        what: message_of(&*panic),
                    })
                });
                let result = committed.and(computed);
                if let Some(at_end) = at_end {
                    at_end(id, &result);
                }
                result
            })
            .map_err(|source| DriverError::Thread { id: number, source })?;
        Ok(Handle { id, inbox: self.inbox, counters, thread: Some(thread) })
    }
}

/// A running actor. Dropping it stops the actor, without waiting for its end.
pub struct Handle<Msg> {
    id: Id,
    inbox: Inbox<Msg>,
    counters: Arc<Tally>,
    thread: Option<JoinHandle<Result<(), DriverError>>>,
}

impl<Msg> Handle<Msg> {
    /// Which actor.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The way in.
    pub fn inbox(&self) -> &Inbox<Msg> {
        &self.inbox
    }

    /// Asks the actor to end after the turn in hand. What it has computed is committed and
    /// released.
    pub fn stop(&self) {
        self.inbox.stop();
    }

    /// Whether the actor has ended, so that [`Handle::join`] does not wait.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// What the actor has done so far.
    pub fn counters(&self) -> Counters {
        let Tally { steps, batches, saves, commits, released } = &*self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            steps: read(steps),
            batches: read(batches),
            saves: read(saves),
            commits: read(commits),
            released: read(released),
            inbox_lost: self.inbox.lost(),
        }
    }

    /// Waits for the end, and says what it was.
    pub fn join(mut self) -> Result<(), DriverError> {
        let id = usize::from(self.id);
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => Err(DriverError::Panicked {
                id,
                place: "what was to be called at its end",
                what: message_of(&*panic),
            }),
        }
    }
}

impl<Msg> Drop for Handle<Msg> {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.inbox.stop();
        }
    }
}

/// The counters that the two threads keep.
#[derive(Default)]
struct Tally {
    steps: AtomicU64,
    batches: AtomicU64,
    saves: AtomicU64,
    commits: AtomicU64,
    released: AtomicU64,
}

/// What one turn leaves behind for the commit thread.
struct Batch<Msg, Storage> {
    save: Option<Storage>,
    sends: Vec<(Id, Msg)>,
    trace: Vec<u8>,
}

impl<Msg, Storage> Batch<Msg, Storage> {
    fn new() -> Self {
        Self { save: None, sends: Vec::new(), trace: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.save.is_none() && self.sends.is_empty() && self.trace.is_empty()
    }
}

type BatchOf<A> = Batch<<A as Actor>::Msg, <A as Actor>::Storage>;

/// What the deadline table holds.
#[derive(Clone, Eq, Hash, PartialEq)]
enum Alarm<Timer> {
    Timer(Timer),
    Random(String),
}

/// The actor's thread.
struct Turner<A: Actor> {
    id: Id,
    actor: A,
    inbox: Inbox<A::Msg>,
    clock: Box<dyn Clock>,
    config: DriverConfig,
    rng: fastrand::Rng,
    deadlines: Deadlines<Alarm<A::Timer>>,
    /// The choice that was made, for each [`Alarm::Random`] in `deadlines`.
    choices: HashMap<String, A::Random>,
    observer: Option<Box<dyn Observer<A>>>,
    /// The batch in hand.
    batch: BatchOf<A>,
    to_commit: SyncSender<BatchOf<A>>,
    /// Emptied batches, to be filled again.
    spare: Receiver<BatchOf<A>>,
    counters: Arc<Tally>,
}

/// How long the actor's thread sleeps at most when a deadline is set. A sleeping thread's clock
/// stands still while the machine is suspended; the deadline's does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

impl<A: Actor + 'static> Turner<A> {
    fn run(mut self, storage: Option<A::Storage>) -> Result<(), DriverError> {
        let mut waiting = VecDeque::new();
        let now = self.clock.now();
        let mut state = self.guarded(|this| Cow::Owned(this.start(storage, now)))?;
        while self.submit() {
            // Duty 1.
            let (clock, deadlines) = (&self.clock, &self.deadlines);
            let patience = || {
                let next = deadlines.next()?;
                Some(next.saturating_sub(clock.now()).min(LONGEST_SLEEP))
            };
            if !self.inbox.take(&mut waiting, self.config.batch.max(1), patience) {
                break;
            }
            // Duty 2.
            let now = self.clock.now();
            self.guarded(|this| {
                let mut steps = this.fire(&mut state, now); // Duty 3.
                steps += waiting.len() as u64;
                this.deliver(&mut state, &mut waiting, now); // Duty 4.
                this.count_turn(steps);
            })?;
            // Duties 5 and 6 are the commit thread's.
        }
        Ok(())
    }

    /// Runs handlers. When one panics, nothing of the turn is kept but its trace, and the actor
    /// ends.
    fn guarded<R>(&mut self, handlers: impl FnOnce(&mut Self) -> R) -> Result<R, DriverError> {
        // After a panic nothing is used again that a handler could have left half-changed.
        catch_unwind(AssertUnwindSafe(|| handlers(self))).map_err(|panic| {
            self.batch.save = None;
            self.batch.sends.clear();
            self.submit();
            DriverError::Panicked {
                id: usize::from(self.id),
                place: "a handler",
                what: message_of(&*panic),
            }
        })
    }

    fn start(&mut self, storage: Option<A::Storage>, now: Duration) -> A::State {
        let mut out = Out::new();
        let state = self.actor.on_start(self.id, &storage, &mut out);
        if self.observer.is_some() {
            self.observe(&Event::Start { storage }, &state, &out, now);
        }
        self.interpret(out, now);
        self.count_turn(1);
        state
    }

    /// Fires what is due.
    fn fire(&mut self, state: &mut Cow<'_, A::State>, now: Duration) -> u64 {
        let mark = self.deadlines.mark();
        let mut fired = 0;
        while let Some(alarm) = self.deadlines.take_due(now, mark) {
            let mut out = Out::new();
            let event = match alarm {
                Alarm::Timer(timer) => {
                    self.actor.on_timeout(self.id, state, &timer, &mut out);
                    Event::Timeout { timer }
                }
                Alarm::Random(key) => {
                    let Some(random) = self.choices.remove(&key) else {
                        continue;
                    };
                    self.actor.on_random(self.id, state, &random, &mut out);
                    Event::Random { random }
                }
            };
            self.observe(&event, state, &out, now);
            self.interpret(out, now);
            fired += 1;
        }
        fired
    }

    fn deliver(
        &mut self,
        state: &mut Cow<'_, A::State>,
        waiting: &mut VecDeque<Waiting<A::Msg>>,
        now: Duration,
    ) {
        for (src, msg, _) in waiting.drain(..) {
            let mut out = Out::new();
            let event = (self.observer.is_some()).then(|| Event::Deliver { src, msg: msg.clone() });
            self.actor.on_msg(self.id, state, src, msg, &mut out);
            if let Some(event) = event {
                self.observe(&event, state, &out, now);
            }
            self.interpret(out, now);
        }
    }

    fn observe(&mut self, event: &Event<A>, state: &A::State, out: &Out<A>, now: Duration) {
        if let Some(observer) = &mut self.observer {
            let step = Step { id: self.id, now, event, state, out };
            observer.step(step, &mut self.batch.trace);
        }
    }

    /// The counterpart of `ActorModel::process_commands`.
    fn interpret(&mut self, out: Out<A>, now: Duration) {
        for command in out {
            match command {
                Command::Send(dst, msg) => self.batch.sends.push((dst, msg)),
                Command::Save(storage) => {
                    self.batch.save = Some(storage);
                    self.counters.saves.fetch_add(1, Ordering::Relaxed);
                }
                Command::SetTimer(timer, range) => {
                    let due = now.saturating_add(pick(&mut self.rng, range));
                    self.deadlines.set(Alarm::Timer(timer), due);
                }
                Command::CancelTimer(timer) => self.deadlines.cancel(&Alarm::Timer(timer)),
                Command::ChooseRandom(key, mut choices) => {
                    if choices.is_empty() {
                        self.choices.remove(&key);
                        self.deadlines.cancel(&Alarm::Random(key));
                    } else {
                        let chosen = choices.swap_remove(self.rng.usize(..choices.len()));
                        let delay = pick(&mut self.rng, self.config.random_delay.clone());
                        self.choices.insert(key.clone(), chosen);
                        self.deadlines.set(Alarm::Random(key), now.saturating_add(delay));
                    }
                }
            }
        }
    }

    fn count_turn(&self, steps: u64) {
        if steps > 0 {
            self.counters.steps.fetch_add(steps, Ordering::Relaxed);
            self.counters.batches.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands the batch over; waits when the commit thread is too far behind. `false` when that
    /// thread has ended.
    fn submit(&mut self) -> bool {
        if self.batch.is_empty() {
            return true;
        }
        let next = self.spare.try_recv().unwrap_or_else(|_| Batch::new());
        let batch = std::mem::replace(&mut self.batch, next);
        self.to_commit.send(batch).is_ok()
    }
}

/// How often a disk is asked to look after its store.
const TENDING: Duration = Duration::from_millis(500);

/// The commit thread.
struct Committer<D, O, Msg, Storage> {
    id: Id,
    disk: D,
    outbox: O,
    trace: Option<Box<dyn Write + Send>>,
    inbox: Inbox<Msg>,
    counters: Arc<Tally>,
    used: Sender<Batch<Msg, Storage>>,
}

impl<D, O, Msg> Committer<D, O, Msg, D::Storage>
where
    D: Disk,
    O: Outbox<Msg>,
{
    fn run(mut self, batches: &Receiver<Batch<Msg, D::Storage>>) -> Result<(), DriverError> {
        // However this thread ends, the actor's must not go on waiting for messages.
        let _stop = StopWhenDropped(self.inbox.clone());
        let mut group = Vec::new();
        let mut tended = Instant::now();
        loop {
            match batches.recv_timeout(TENDING.saturating_sub(tended.elapsed())) {
                Ok(first) => {
                    group.push(first);
                    group.extend(batches.try_iter());
                    self.store(&mut group)?;
                    self.release(&mut group);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if tended.elapsed() >= TENDING {
                let id = usize::from(self.id);
                self.disk.tend().map_err(|source| DriverError::Store { id, source })?;
                tended = Instant::now();
            }
        }
    }

    /// Duty 5: after this, the batches of the group and all before them are durable.
    fn store(&mut self, group: &mut [Batch<Msg, D::Storage>]) -> Result<(), DriverError> {
        let id = usize::from(self.id);
        if let Some(trace) = &mut self.trace {
            for batch in group.iter_mut().filter(|batch| !batch.trace.is_empty()) {
                (trace.write_all(&batch.trace))
                    .map_err(|source| DriverError::Trace { id, source })?;
                batch.trace.clear();
            }
            (trace.flush()).map_err(|source| DriverError::Trace { id, source })?;
        }
        // Saves that a newer one has overtaken are dropped with the group, off this path.
        if let Some(save) = group.iter_mut().rev().find_map(|batch| batch.save.take()) {
            (self.disk.commit(save)).map_err(|source| DriverError::Commit { id, source })?;
            self.counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Duty 6.
    fn release(&mut self, group: &mut Vec<Batch<Msg, D::Storage>>) {
        let mut released = 0;
        for mut batch in group.drain(..) {
            released += batch.sends.len() as u64;
            for (dst, msg) in batch.sends.drain(..) {
                if dst == self.id {
                    self.inbox.try_deliver(self.id, msg);
                } else {
                    self.outbox.send(self.id, dst, msg);
                }
            }
            batch.save = None;
            // An actor's thread that has ended needs no empty batches.
            let _ = self.used.send(batch);
        }
        self.outbox.flush();
        self.counters.released.fetch_add(released, Ordering::Relaxed);
    }
}

struct StopWhenDropped<Msg>(Inbox<Msg>);

impl<Msg> Drop for StopWhenDropped<Msg> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Any duration of the range, each as likely as the others; its start when it is empty.
fn pick(rng: &mut fastrand::Rng, range: Range<Duration>) -> Duration {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let (start, end) = (nanos(range.start), nanos(range.end));
    if start < end { Duration::from_nanos(rng.u64(start..end)) } else { range.start }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    if let Some(failed) = panic.downcast_ref::<Failed>() {
        failed.to_string()
    } else if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "something that is not a text".to_owned()
    }
}
