//! One connection: from commands to operations, from outcomes to replies in order.
//!
//! [`Session`] is the connection without its socket: bytes are put into its [`Reader`], and bytes are
//! taken from its `out`. It spawns no tasks. A command has a *slot* in a queue of replies; each of its
//! keys is a *part*. Parts go into the *lane* of their key; the first in a lane runs, as a future in one
//! [`FuturesUnordered`], and hands the lane to the next when it has its answer. A slot whose parts are
//! all answered becomes a reply, and replies leave from the front of the queue.
//!
//! Invariants: at most [`Limits::operations`] parts are in lanes, and slots in the queue; the rest of a
//! command with more keys than that waits in `backlog`, and no command is read before it is empty. A
//! key has a lane exactly while one of its parts runs. Parts that read are further bounded by a
//! [`Window`], and a command whose answers grow large goes on when it has a turn
//! ([`budget`](super::budget)).
//!
//! A client may send everything before it reads anything. While replies wait that it does not take
//! (`stalled`), commands are therefore still taken from the socket, up to [`Limits::waiting_bytes`], and carried
//! out as far as their replies fit the same bound.
//!
//! Commands that the connection answers by itself are carried out when they are read, which may be before
//! an earlier operation has its outcome; nobody can tell, because their replies wait in the queue, each
//! with the version of the protocol that was spoken where its command stood.

use super::Order;
use super::Service;
use super::budget::{BULK, Window};
use super::client::{Choice, Client, Seat, client_name};
use super::command::{self, Resolved, Verb, printable};
use super::commands::info::{self, Wanted};
use super::commands::sentinel;
use super::glob::Pattern;
use super::group::{Group, Verdict};
use super::job::{Answer, Condition, Fold, Job, Patience};
use super::listing::Alone;
use super::number::{NOT_AN_INTEGER, SYNTAX, integer, number};
use super::shared::{Limits, Shared};
use super::tally::Tally;
use super::wire::{Protocol, Reader, Reply, WireError, Words};
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, Outcome, Refusal, Value};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// What a connection's futures end with.
pub(super) enum Finished {
    /// One key of a command is answered.
    Part(u64, Part),
    /// The whole reply of a command is there.
    Reply(u64, Reply),
    /// A large reply has its turn to be gathered, or has waited too long for it.
    Turn(Option<OwnedSemaphorePermit>),
}

/// One key of a command, answered.
pub(super) struct Part {
    index: usize,
    key: Key,
    answer: Answer,
    size: Size,
}

/// One key of a command, waiting.
struct Waiting {
    slot: u64,
    index: usize,
    key: Key,
    job: Job,
    size: Size,
}

/// What a part counts for.
#[derive(Clone, Copy)]
struct Size {
    bytes: usize,
    reads: usize,
}

/// The place of a command's reply in the queue.
struct Slot {
    protocol: Protocol,
    /// Whether the client wants no reply.
    silent: bool,
    state: SlotState,
}

enum SlotState {
    /// When the reply only waits for the replies before it.
    Ready(Reply),
    /// When the beginning of a long reply is in `out`, and these elements are not.
    Emitting(std::vec::IntoIter<Reply>),
    /// When some of the command's keys are not answered for.
    Gathering(Tally),
    /// When the whole reply is made by one future.
    Alone,
}

/// Whether a large reply may be gathered now.
enum Turn {
    None,
    Asked,
    /// For the command in this slot.
    Had(u64, #[allow(dead_code, reason = "it is held, and never looked at")] OwnedSemaphorePermit),
}

type Running = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// A connection without its socket.
pub(super) struct Session<S> {
    service: S,
    shared: Arc<Shared>,
    seat: Seat,
    protocol: Protocol,
    /// Who may answer its reads.
    reads: Reads,
    /// What has arrived.
    pub(super) reader: Reader,
    /// What is to be sent.
    pub(super) out: Vec<u8>,
    /// What is being waited for.
    pub(super) running: FuturesUnordered<Running>,
    slots: VecDeque<Slot>,
    /// The number of the first slot in the queue.
    first: u64,
    backlog: VecDeque<Waiting>,
    lanes: HashMap<Key, VecDeque<Waiting>>,
    /// How many parts are in lanes.
    admitted: usize,
    /// How many of them read.
    reading: usize,
    window: Window,
    turn: Turn,
    /// About how many bytes the parts hold that wait or run.
    pending: usize,
    /// How many bytes the answers and replies in the queue hold.
    held: usize,
    group: Group,
    /// Whether the client wants a reply to the command that is looked at.
    wanted: bool,
    /// Whether the client has not taken any of its replies for a while.
    pub(super) stalled: bool,
    /// Whether commands wait in the reader only because others are to have the thread.
    pub(super) paused: bool,
    /// A command that wants the connection for itself.
    alone: Option<Alone>,
    /// Whether there may be a command in the reader that was not looked at for want of room.
    full: bool,
    /// Whether no further command is carried out.
    pub(super) closing: bool,
    /// Whether no further bytes come; whole commands that have come are still carried out.
    pub(super) ended: bool,
}

impl<S: Service> Session<S> {
    /// A connection before the first byte.
    pub(super) fn new(service: S, shared: Arc<Shared>, seat: Seat) -> Self {
        Session {
            service,
            seat,
            protocol: Protocol::Resp2,
            reads: Reads::default(),
            reader: Reader::new(shared.limits.bounds()),
            shared,
            out: Vec::new(),
            running: FuturesUnordered::new(),
            slots: VecDeque::new(),
            first: 0,
            backlog: VecDeque::new(),
            lanes: HashMap::new(),
            admitted: 0,
            reading: 0,
            window: Window::new(),
            turn: Turn::None,
            pending: 0,
            held: 0,
            group: Group::default(),
            wanted: true,
            stalled: false,
            paused: false,
            alone: None,
            full: false,
            closing: false,
            ended: false,
        }
    }

    /// The connection, as others see it.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.seat)
    }

    /// What it shares with the other connections.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Does all that can be done without waiting, for a few milliseconds at the most: reads commands,
    /// starts operations, takes answers, writes replies to `out`.
    pub(super) fn advance(&mut self) {
        let end = Instant::now() + SLICE;
        self.paused = false;
        loop {
            let read = self.read_commands(end);
            let mut answers = 0_usize;
            while let Some(Some(finished)) = self.running.next().now_or_never() {
                self.finish(finished);
                answers += 1;
                if answers.is_multiple_of(16) && Instant::now() >= end {
                    self.paused = true;
                    break;
                }
            }
            let emitted = self.emit();
            // Answers and written replies make room for commands that were left in the reader.
            if self.paused || (answers == 0 && !read && !emitted) {
                break;
            }
        }
        self.seat.weighs((self.reader.waiting(), self.reader.room()), self.out.len(), self.held);
        if let Turn::Had(slot, _) = self.turn
            && self.first > slot
            && self.held + self.out.len() < BULK
        {
            self.turn = Turn::None;
        }
        self.reader.rest();
    }

    /// Whether more bytes are of use now. Where the client does not read, it may be busy sending.
    pub(super) fn wants_input(&self) -> bool {
        let ahead = self.stalled && self.reader.waiting() < self.shared.limits.waiting_bytes;
        !self.closing && !self.ended && (!self.full || ahead)
    }

    /// Whether everything that will ever be said is in `out`, once [`advance`](Self::advance) has
    /// nothing to do.
    pub(super) fn is_finished(&self) -> bool {
        (self.closing || (self.ended && !self.full)) && self.slots.is_empty()
    }

    /// Whether replies that are not taken hold up the commands behind them.
    pub(super) fn is_held_up(&self) -> bool {
        self.full && !self.closing && !self.has_room_for_replies(self.reader.waiting())
    }

    /// Whether a command has begun to come, and all before it is looked at.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.full && !self.closing && !self.ended && self.reader.waiting() > 0
    }

    /// Whether the client has sent as much as may wait, and takes no replies.
    pub(super) fn is_overrun(&self) -> bool {
        self.stalled
            && self.is_held_up()
            && self.reader.waiting() >= self.shared.limits.waiting_bytes
    }

    /// Whether keys are being listed.
    pub(super) fn is_listing(&self) -> bool {
        matches!(self.slots.front(), Some(Slot { state: SlotState::Alone, .. }))
    }

    /// Whether the last byte in `out` is the last one of a reply.
    pub(super) fn is_between_replies(&self) -> bool {
        !matches!(self.slots.front(), Some(Slot { state: SlotState::Emitting(_), .. }))
    }

    /// About how many bytes the connection holds.
    pub(super) fn weight(&self) -> usize {
        let bytes = self.reader.capacity() + self.out.capacity() + self.pending + self.held;
        // Small changes are not worth counting.
        bytes / 4096 * 4096
    }

    /// Whether it keeps a turn for a large reply that is gathered.
    pub(super) fn keeps_turn(&self) -> bool {
        matches!(self.turn, Turn::Had(..)) && self.backlog.is_empty()
    }

    /// Lets others gather large replies: its own is gathered, and its client does not take it.
    pub(super) fn let_go(&mut self) {
        self.turn = Turn::None;
    }

    /// Carries out no further command, and says why.
    pub(super) fn close(&mut self, why: String) {
        self.wanted = true;
        self.push(Reply::Error(why.into()));
        self.closing = true;
    }

    /// Takes one answer.
    pub(super) fn finish(&mut self, finished: Finished) {
        match finished {
            Finished::Reply(slot, reply) => {
                let weight = reply.weight();
                if let Some(state) = self.state(slot) {
                    *state = SlotState::Ready(reply);
                    self.held += weight;
                }
            }
            Finished::Turn(permit) => self.take_turn(permit),
            Finished::Part(slot, part) => {
                self.leave(part.size);
                if part.size.reads > 0 {
                    self.window.note(part.answer.weight(), self.shared.limits.operations);
                }
                let limit = self.shared.limits.reply_bytes;
                if let Some(SlotState::Gathering(tally)) = self.state(slot) {
                    let (before, given_up) = (tally.held(), tally.is_given_up());
                    tally.take(part.index, part.answer, limit);
                    let (after, gives_up) = (tally.held(), tally.is_given_up() && !given_up);
                    self.held = self.held + after - before;
                    if gives_up {
                        self.forget(slot);
                    }
                    self.settle(slot);
                }
                self.pass_lane(&part.key);
            }
        }
    }

    /// What is in this slot.
    fn state(&mut self, slot: u64) -> Option<&mut SlotState> {
        let at = usize::try_from(slot - self.first).unwrap_or(usize::MAX);
        let state = self.slots.get_mut(at).map(|slot| &mut slot.state);
        if state.is_none() {
            // A slot leaves the queue only when all of its parts are answered.
            tracing::error!("an answer to a command that has left");
        }
        state
    }

    /// Makes the reply of a command if all of its keys are answered for.
    fn settle(&mut self, slot: u64) {
        let Some(state) = self.state(slot) else { return };
        if !matches!(state, SlotState::Gathering(tally) if tally.is_whole()) {
            return;
        }
        // What stands there meanwhile is replaced at once.
        if let SlotState::Gathering(tally) = std::mem::replace(state, SlotState::Alone) {
            let held = tally.held();
            let reply = tally.reply();
            let weight = reply.weight();
            *state = SlotState::Ready(reply);
            self.held = self.held + weight - held;
        }
    }

    /// Forgets those parts of a command that were not begun: its reply is known without them.
    fn forget(&mut self, slot: u64) {
        let (mut dropped, mut admitted) = (Vec::new(), Vec::new());
        let of_slot = |part: &Waiting, into: &mut Vec<Size>| {
            let is = part.slot == slot;
            if is {
                into.push(part.size);
            }
            !is
        };
        self.backlog.retain(|part| of_slot(part, &mut dropped));
        for lane in self.lanes.values_mut() {
            lane.retain(|part| of_slot(part, &mut admitted));
        }
        let unasked = dropped.len() + admitted.len();
        self.pending -= dropped.iter().map(|size| size.bytes).sum::<usize>();
        for size in admitted {
            self.leave(size);
        }
        if let Some(SlotState::Gathering(tally)) = self.state(slot) {
            tally.skip(unasked);
        }
    }

    /// Counts a part out that was in a lane.
    fn leave(&mut self, size: Size) {
        self.admitted -= 1;
        self.reading -= size.reads;
        self.pending -= size.bytes;
    }

    fn take_turn(&mut self, permit: Option<OwnedSemaphorePermit>) {
        self.turn = Turn::None;
        let Some(slot) = self.backlog.front().map(|part| part.slot) else { return };
        match permit {
            Some(permit) => self.turn = Turn::Had(slot, permit),
            None => {
                if let Some(SlotState::Gathering(tally)) = self.state(slot) {
                    let held = tally.held();
                    tally.give_up(Reply::error(NO_TURN));
                    self.held -= held;
                    self.forget(slot);
                    self.settle(slot);
                }
            }
        }
    }

    /// Reads commands while there is room; whether there was any.
    fn read_commands(&mut self, end: Instant) -> bool {
        let mut any = self.admit();
        let mut read = 0_usize;
        // Taken out, so that a command's arguments can stay where they are in its buffer.
        let mut reader =
            std::mem::replace(&mut self.reader, Reader::new(self.shared.limits.bounds()));
        loop {
            self.full = !self.has_room(reader.waiting());
            if self.full || self.closing {
                break;
            }
            read += 1;
            if read.is_multiple_of(16) && Instant::now() >= end {
                (self.full, self.paused) = (true, true);
                break;
            }
            let waiting = (reader.waiting(), reader.room());
            match reader.next() {
                Ok(None) => break,
                Ok(Some(arguments)) => {
                    any = true;
                    self.shared.commands.fetch_add(1, Ordering::Relaxed);
                    self.seat.weighs(waiting, self.out.len(), self.held);
                    self.execute(&arguments);
                    self.admit();
                }
                Err(WireError::Http) => {
                    tracing::warn!(peer = %self.seat.peer, "an HTTP request at the RESP port");
                    self.closing = true;
                }
                Err(error) => {
                    self.push(Reply::Error(error.to_string().into()));
                    self.closing = true;
                }
            }
        }
        self.reader = reader;
        any
    }

    fn has_room(&self, waiting: usize) -> bool {
        let limits = &self.shared.limits;
        let alone = matches!(self.slots.back(), Some(Slot { state: SlotState::Alone, .. }));
        !alone
            && self.backlog.is_empty()
            && self.admitted < limits.operations
            && self.slots.len() < limits.operations
            && self.has_room_for_replies(waiting)
    }

    fn has_room_for_replies(&self, waiting: usize) -> bool {
        self.held + self.out.len() < self.most_replies(waiting)
    }

    /// How many bytes of replies may wait, where so many bytes of commands do. A client that does not read
    /// is to be able to send, so that it can come to read: when it has sent much, its commands are carried
    /// out up to a higher bound.
    fn most_replies(&self, waiting: usize) -> usize {
        let limits = &self.shared.limits;
        let ahead = self.stalled && waiting > limits.waiting_bytes / 2;
        if ahead { limits.waiting_bytes } else { limits.buffered_bytes }
    }

    /// Moves parts from the backlog into lanes while there is room, and starts a command that waited for
    /// everything before it; whether any moved.
    fn admit(&mut self) -> bool {
        let mut any = false;
        while self.may_admit()
            && let Some(part) = self.backlog.pop_front()
        {
            any = true;
            self.admitted += 1;
            self.reading += part.size.reads;
            match self.lanes.get_mut(&part.key) {
                Some(lane) => lane.push_back(part),
                None => {
                    self.lanes.insert(part.key.clone(), VecDeque::new());
                    self.start(part);
                }
            }
        }
        if self.admitted == 0
            && self.backlog.is_empty()
            && self.slots.len() <= 1
            && let Some(Slot { state: SlotState::Alone, .. }) = self.slots.front()
            && let Some(alone) = self.alone.take()
        {
            self.start_alone(alone);
            any = true;
        }
        any
    }

    /// Whether the next part of the backlog may go into its lane; asks for a turn if it needs one.
    fn may_admit(&mut self) -> bool {
        let Some(Waiting { slot, size, .. }) = self.backlog.front() else { return false };
        let (slot, reads) = (*slot, size.reads);
        if self.admitted >= self.shared.limits.operations
            || (reads > 0 && self.reading >= self.window.width())
        {
            return false;
        }
        let at = usize::try_from(slot - self.first).unwrap_or(usize::MAX);
        let state = self.slots.get(at).map(|slot| &slot.state);
        if !matches!(state, Some(SlotState::Gathering(tally)) if tally.held() > BULK) {
            return true;
        }
        match &mut self.turn {
            Turn::Had(of, _) => *of = slot,
            Turn::Asked => return false,
            Turn::None => {
                self.turn = Turn::Asked;
                let shared = Arc::clone(&self.shared);
                self.running
                    .push(Box::pin(async move { Finished::Turn(shared.budget.turn().await) }));
                return false;
            }
        }
        true
    }

    fn start(&mut self, part: Waiting) {
        let Waiting { slot, index, key, job, size } = part;
        let service = self.service.clone();
        let expects = self.window.expects().filter(|_| size.reads > 0);
        let shared = expects.map(|_| Arc::clone(&self.shared));
        self.running.push(Box::pin(async move {
            let mut _room = None;
            if let (Some(bytes), Some(shared)) = (expects, shared) {
                _room = shared.budget.room(bytes).await;
                if _room.is_none() {
                    let answer = Answer::Outcome(Outcome::Refused(Refusal::Unavailable));
                    return Finished::Part(slot, Part { index, key, answer, size });
                }
            }
            let answer = job.run(&service, &key).await;
            Finished::Part(slot, Part { index, key, answer, size })
        }));
    }

    /// Starts the next part in the lane of a key whose part is answered.
    fn pass_lane(&mut self, key: &Key) {
        match self.lanes.get_mut(key).and_then(VecDeque::pop_front) {
            Some(next) => self.start(next),
            None => {
                self.lanes.remove(key);
            }
        }
    }

    /// Writes what is ready at the front of the queue; whether anything was.
    fn emit(&mut self) -> bool {
        let mut any = false;
        let most = self.most_replies(self.reader.waiting());
        while self.out.len() < most
            && let Some(Slot { protocol, silent, state }) = self.slots.front_mut()
        {
            match state {
                SlotState::Ready(Reply::Array(list)) if list.len() > LONG && !*silent => {
                    Reply::begin_array(list.len(), &mut self.out);
                    *state = SlotState::Emitting(std::mem::take(list).into_iter());
                }
                SlotState::Ready(reply) => {
                    self.held -= reply.weight();
                    if !*silent {
                        reply.encode(*protocol, &mut self.out);
                    }
                    self.slots.pop_front();
                    self.first += 1;
                }
                SlotState::Emitting(rest) => match rest.next() {
                    Some(element) => {
                        self.held -= element.weight_in_list();
                        element.encode(*protocol, &mut self.out);
                    }
                    None => {
                        self.slots.pop_front();
                        self.first += 1;
                    }
                },
                SlotState::Gathering(_) | SlotState::Alone => break,
            }
            any = true;
        }
        any
    }

    /// Queues a reply that is ready.
    fn push(&mut self, reply: Reply) {
        self.held += reply.weight();
        self.queue(SlotState::Ready(reply));
    }

    fn queue(&mut self, state: SlotState) -> u64 {
        let (protocol, silent) = (self.protocol, !self.wanted);
        self.slots.push_back(Slot { protocol, silent, state });
        self.first + (self.slots.len() as u64 - 1)
    }

    /// Queues a command on keys, unless one of them is too large: then nothing of it is done.
    fn submit(&mut self, fold: Fold, jobs: Vec<(Key, Job)>) {
        if let Some(refusal) =
            jobs.iter().find_map(|(key, job)| job.check(key, S::LONGEST_KEY).err())
        {
            return self.push(refusal);
        }
        let slot = self.queue(SlotState::Gathering(Tally::new(fold, jobs.len())));
        for (index, (key, job)) in jobs.into_iter().enumerate() {
            let reads = usize::from(job.is_read());
            let size = Size { bytes: key.len() + job.bytes() + size_of::<Waiting>(), reads };
            self.pending += size.bytes;
            self.backlog.push_back(Waiting { slot, index, key, job, size });
        }
    }

    fn execute(&mut self, arguments: &Words<'_>) {
        let (verdict, wanted) = self.group.look(arguments);
        self.wanted = wanted;
        match verdict {
            Verdict::CarryOut => self.resolve(arguments),
            Verdict::Reply(reply) => self.push(reply),
        }
        self.wanted = true;
    }

    fn resolve(&mut self, arguments: &Words<'_>) {
        let resolved = match command::resolve(arguments) {
            Ok(resolved) => resolved,
            Err(reply) => return self.push(reply),
        };
        self.seat.asks(resolved.command, resolved.found);
        match self.carry_out(resolved, arguments) {
            Ok(Some(reply)) | Err(reply) => self.push(reply),
            Ok(None) => {}
        }
    }

    /// A command on keys is queued (`None`), any other has its reply at once.
    fn carry_out(
        &mut self,
        Resolved { command, verb, .. }: Resolved,
        arguments: &Words<'_>,
    ) -> Result<Option<Reply>, Reply> {
        let patience = self.shared.limits.patience();
        let wrong_arity = || Err(command.wrong_arity(None));
        let key =
            |at: usize| arguments.get(at).map_or_else(|| Key::from(&[][..]), |k| Key::from(&**k));
        let value = |at: usize| {
            arguments.get(at).map_or_else(|| Value::from(&[][..]), |v| Value::from(&**v))
        };
        let reads = self.reads;
        let mut one = |fold, op| {
            self.submit(fold, vec![(key(1), Job::Operation(op, reads))]);
            Ok(None)
        };
        match verb {
            Verb::Get => one(Fold::Value, Op::Get),
            Verb::StrLen => one(Fold::Length, Op::Get),
            Verb::Type => one(Fold::Type, Op::Get),
            Verb::SetNx => one(Fold::Created, Op::Create(value(2))),
            Verb::Incr => one(Fold::Number, Op::Increment(1)),
            Verb::Decr => one(Fold::Number, Op::Increment(-1)),
            Verb::IncrBy => one(Fold::Number, Op::Increment(integer(arguments, 2)?)),
            Verb::DecrBy => {
                let by = integer(arguments, 2)?.checked_neg();
                let by = by.ok_or(Reply::error("ERR decrement would overflow"))?;
                one(Fold::Number, Op::Increment(by))
            }
            Verb::Set => {
                let (fold, job) = set(arguments, patience)?;
                self.submit(fold, vec![(key(1), job)]);
                Ok(None)
            }
            Verb::GetSet => {
                let job = Job::Exchange { condition: Condition::Always, new: value(2), patience };
                self.submit(Fold::Before, vec![(key(1), job)]);
                Ok(None)
            }
            Verb::Del | Verb::Exists | Verb::MGet => {
                let (fold, op) = match verb {
                    Verb::Del => (Fold::Count, Op::Delete),
                    Verb::Exists => (Fold::Found, Op::Get),
                    _ => (Fold::Values, Op::Get),
                };
                let jobs =
                    (1..arguments.len()).map(|at| (key(at), Job::Operation(op.clone(), reads)));
                self.submit(fold, jobs.collect());
                Ok(None)
            }
            Verb::MSet => {
                if arguments.len().is_multiple_of(2) {
                    return wrong_arity();
                }
                let jobs = last_of_each(arguments).into_iter();
                let jobs = jobs.map(|at| (key(at), Job::Operation(Op::Put(value(at + 1)), reads)));
                self.submit(Fold::AllWritten, jobs.collect());
                Ok(None)
            }
            Verb::Scan => {
                let scan = scan(arguments, &self.shared.limits)?;
                self.wait_alone(scan)
            }
            Verb::Keys => {
                let pattern = Pattern::new(&arguments[1])?;
                self.wait_alone(Alone::Keys { pattern })
            }
            Verb::DbSize => self.wait_alone(Alone::Size),
            Verb::Ping => match &arguments[1..] {
                [] => Ok(Some(Reply::Simple(Cow::Borrowed("PONG")))),
                [message] => Ok(Some(Reply::Text(message.to_vec()))),
                _ => wrong_arity(),
            },
            Verb::Echo => Ok(Some(Reply::Text(arguments[1].to_vec()))),
            Verb::Select => match integer(arguments, 1)? {
                0 => Ok(Some(Reply::OK)),
                _ => Err(Reply::error("ERR DB index is out of range")),
            },
            Verb::Auth => match &arguments[1..] {
                [_] => Err(Reply::error(NO_PASSWORD)),
                [user, _] if **user == *b"default" => Ok(Some(Reply::OK)),
                [_, _] => Err(Reply::error(WRONG_PASS)),
                _ => Err(Reply::error(SYNTAX)),
            },
            Verb::Hello => self.hello(arguments).map(Some),
            Verb::Reset => {
                self.protocol = Protocol::Resp2;
                self.reads = Reads::default();
                self.seat.reset();
                Ok(Some(Reply::Simple(Cow::Borrowed("RESET"))))
            }
            Verb::Quit => {
                self.closing = true;
                Ok(Some(Reply::OK))
            }
            Verb::ClientGetName
            | Verb::ClientId
            | Verb::ClientInfo
            | Verb::ClientKill
            | Verb::ClientList
            | Verb::ClientNoEvict
            | Verb::ClientNoTouch
            | Verb::ClientSetInfo
            | Verb::ClientSetName => self.about_clients(verb, arguments).map(Some),
            Verb::Info => {
                let wanted = Wanted::of(&arguments[1..]);
                if wanted.counts_keys() {
                    return self.wait_alone(Alone::Info { wanted, local: self.seat.local });
                }
                let local = self.seat.local;
                Ok(Some(info::reply(&wanted, &self.service, &self.shared, local, None)))
            }
            Verb::Flush => match &arguments[1..] {
                [] => self.wait_alone(Alone::Flush),
                [how]
                    if ["async", "sync"]
                        .iter()
                        .any(|it| how.eq_ignore_ascii_case(it.as_bytes())) =>
                {
                    self.wait_alone(Alone::Flush)
                }
                _ => Err(Reply::error(SYNTAX)),
            },
            Verb::Role => Ok(Some(Reply::Array(vec![
                Reply::text("master"),
                Reply::Integer(0),
                Reply::Array(Vec::new()),
            ]))),
            Verb::Cluster => Err(Reply::error(NO_CLUSTER)),
            Verb::SentinelAddress
            | Verb::SentinelMaster
            | Verb::SentinelMasters
            | Verb::SentinelReplicas
            | Verb::SentinelSentinels
            | Verb::SentinelQuorum
            | Verb::SentinelMyId => Ok(Some(self.sentinel(verb, arguments))),
            Verb::Status => match self.service.status() {
                Some(status) => Ok(Some(Reply::text(&status))),
                None => Err(Reply::error("ERR there is no node behind this door")),
            },
            Verb::Join => self.order(Order::Belong(true)),
            Verb::Leave => self.order(Order::Belong(false)),
            Verb::Reform => {
                let wrong = |_| Reply::error(NOT_AN_INTEGER);
                let epoch = u64::try_from(integer(arguments, 2)?).map_err(wrong)?;
                let named = (3..arguments.len()).map(|at| {
                    integer(arguments, at).and_then(|id| u32::try_from(id).map_err(wrong))
                });
                self.order(Order::Reform(epoch, named.collect::<Result<_, _>>()?))
            }
            Verb::BeginAnew => {
                let epoch = u64::try_from(integer(arguments, 2)?);
                self.order(Order::BeginAnew(epoch.map_err(|_| Reply::error(NOT_AN_INTEGER))?))
            }
            Verb::Command => Ok(Some(command::info(&[]))),
            Verb::CommandCount => Ok(Some(command::count())),
            Verb::CommandDocs => Ok(Some(command::docs(few(&arguments[2..])?))),
            Verb::CommandInfo => Ok(Some(command::info(few(&arguments[2..])?))),
            Verb::CommandList => command::list(&arguments[2..]).map(Some),
            Verb::CommandGetKeys => command::keys_of(&arguments[2..]).map(Some),
            Verb::ConfigGet => {
                let patterns = few(&arguments[2..])?.iter();
                let patterns = patterns.map(|pattern| Pattern::new(&pattern.to_ascii_lowercase()));
                let patterns: Vec<Pattern> = patterns.collect::<Result<_, _>>()?;
                let matching = Parameter::ALL.iter().filter(|parameter| {
                    let name = parameter.name().as_bytes();
                    patterns.iter().any(|pattern| pattern.matches(name))
                });
                let pair = |parameter: &Parameter| {
                    let setting = parameter.setting(&self.shared.limits, self.reads);
                    (Reply::text(parameter.name()), Reply::text(&setting))
                };
                Ok(Some(Reply::Map(matching.map(pair).collect())))
            }
            Verb::ConfigSet => self.config_set(&arguments[2..]).map(Some),
            Verb::Help => Ok(Some(command.help())),
        }
    }

    /// `CLIENT`, and its kind.
    fn about_clients(&mut self, verb: Verb, arguments: &Words<'_>) -> Result<Reply, Reply> {
        let on = || match &arguments[2].to_ascii_lowercase()[..] {
            b"on" => Ok(true),
            b"off" => Ok(false),
            _ => Err(Reply::error(SYNTAX)),
        };
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let clients = &self.shared.clients;
        Ok(match verb {
            Verb::ClientGetName => match &self.seat.name()[..] {
                "" => Reply::Nil,
                name => Reply::text(name),
            },
            Verb::ClientId => Reply::Integer(number(self.seat.number)),
            Verb::ClientInfo => {
                let mut line = String::new();
                self.seat.describe(&mut line);
                Reply::Verbatim(line)
            }
            Verb::ClientList => Reply::Verbatim(clients.list(&Choice::to_list(&arguments[2..])?)),
            Verb::ClientKill => {
                let (choice, by_address) = Choice::to_kill(&arguments[2..], self.seat.number)?;
                let (killed, itself) = clients.kill(&choice, self.seat.number);
                self.closing |= itself;
                match (by_address, killed) {
                    (true, 0) => return Err(Reply::error("ERR No such client")),
                    (true, _) => Reply::OK,
                    (false, killed) => Reply::Integer(number(killed as u64)),
                }
            }
            Verb::ClientNoEvict => {
                self.seat.keep_memory(on()?);
                Reply::OK
            }
            Verb::ClientNoTouch => {
                self.seat.touch_nothing(on()?);
                Reply::OK
            }
            Verb::ClientSetInfo => self.seat.note(&arguments[2], &arguments[3])?,
            // CLIENT SETNAME
            _ => {
                self.seat.rename(client_name(&arguments[2])?);
                Reply::OK
            }
        })
    }

    /// `SENTINEL`, and its kind.
    fn sentinel(&self, verb: Verb, arguments: &Words<'_>) -> Reply {
        let (service, local) = (&self.service, self.seat.local);
        let (name, run) = (sentinel::named(arguments), self.shared.memo.run());
        match verb {
            Verb::SentinelAddress => sentinel::address(service, local),
            Verb::SentinelMaster => sentinel::master(service, local, name, run),
            Verb::SentinelMasters => sentinel::masters(service, local, run),
            Verb::SentinelSentinels => sentinel::sentinels(service),
            Verb::SentinelQuorum => sentinel::quorum(service),
            Verb::SentinelMyId => Reply::text(run),
            // SENTINEL REPLICAS: every node is a master.
            _ => Reply::Array(Vec::new()),
        }
    }

    /// Passes on what an operator wants.
    fn order(&self, order: Order) -> Result<Option<Reply>, Reply> {
        match self.service.order(order) {
            Ok(()) => Ok(Some(Reply::OK)),
            Err(why) => Err(Reply::Error(format!("ERR {why}").into())),
        }
    }

    fn hello(&mut self, arguments: &Words<'_>) -> Result<Reply, Reply> {
        let mut protocol = self.protocol;
        let mut name = None;
        if let Some(version) = arguments.get(1) {
            protocol = match number(version) {
                Some(2) => Protocol::Resp2,
                Some(3) => Protocol::Resp3,
                Some(_) => return Err(Reply::error("NOPROTO unsupported protocol version")),
                None => {
                    return Err(Reply::error(
                        "ERR Protocol version is not an integer or out of range",
                    ));
                }
            };
            let mut options = &arguments[2..];
            while let [option, rest @ ..] = options {
                options = match rest {
                    [user, _, rest @ ..] if option.eq_ignore_ascii_case(b"auth") => {
                        if **user != *b"default" {
                            return Err(Reply::error(WRONG_PASS));
                        }
                        rest
                    }
                    [chosen, rest @ ..] if option.eq_ignore_ascii_case(b"setname") => {
                        name = Some(client_name(chosen)?);
                        rest
                    }
                    _ => {
                        let option = printable(option, 128);
                        let text = format!("ERR Syntax error in HELLO option '{option}'");
                        return Err(Reply::Error(text.into()));
                    }
                };
            }
        }
        self.protocol = protocol;
        self.seat.speaks(protocol);
        if let Some(name) = name {
            self.seat.rename(name);
        }
        let pair = |name: &str, reply| (Reply::text(name), reply);
        Ok(Reply::Map(vec![
            pair("server", Reply::text("chainring")),
            pair("version", Reply::text(env!("CARGO_PKG_VERSION"))),
            pair("proto", Reply::Integer(protocol.number())),
            pair("id", Reply::Integer(i64::try_from(self.seat.number).unwrap_or(i64::MAX))),
            pair("mode", Reply::text("standalone")),
            pair("role", Reply::text("master")),
            pair("modules", Reply::Array(Vec::new())),
        ]))
    }

    /// Changes settings of this connection: all that are named, or none.
    fn config_set(&mut self, settings: &Words<'_>) -> Result<Reply, Reply> {
        let (mut reads, mut is_set) = (self.reads, false);
        let whole = settings.len().is_multiple_of(2);
        for pair in settings.chunks(2) {
            let name = pair[0].to_ascii_lowercase();
            let mut known = Parameter::ALL.iter();
            let known = known.find(|parameter| parameter.name().as_bytes() == name.as_slice());
            let (Some(parameter), true, Some(value)) = (known, whole, pair.get(1)) else {
                let shown = printable(&pair[0], 128);
                return Err(Reply::Error(
                    format!("ERR Unknown option or number of arguments for CONFIG SET - '{shown}'")
                        .into(),
                ));
            };
            let why = match parameter {
                Parameter::ReadPolicy if std::mem::replace(&mut is_set, true) => {
                    "duplicate parameter"
                }
                Parameter::ReadPolicy => match value.to_ascii_lowercase().as_slice() {
                    b"tail" => {
                        reads = Reads::Tail;
                        continue;
                    }
                    b"any" => {
                        reads = Reads::Any;
                        continue;
                    }
                    b"eventual" => {
                        reads = Reads::Eventual;
                        continue;
                    }
                    _ => "argument must be one of tail, any, eventual",
                },
                _ => "can't set immutable config",
            };
            return Err(Reply::Error(
                format!(
                    "ERR CONFIG SET failed (possibly related to argument '{}') - {why}",
                    parameter.name()
                )
                .into(),
            ));
        }
        self.reads = reads;
        Ok(Reply::OK)
    }

    fn wait_alone(&mut self, alone: Alone) -> Result<Option<Reply>, Reply> {
        self.queue(SlotState::Alone);
        self.alone = Some(alone);
        Ok(None)
    }

    fn start_alone(&mut self, alone: Alone) {
        let slot = self.first;
        let (service, shared) = (self.service.clone(), self.shared.clone());
        self.running.push(Box::pin(async move {
            let reply = alone.run(&service, &shared).await;
            Finished::Reply(slot, reply)
        }));
    }
}

/// The settings that `CONFIG` knows. One that a connection chooses for itself has a field in [`Session`]; the
/// others cannot be changed.
#[derive(Clone, Copy, Debug)]
enum Parameter {
    /// Redis' append-only file. Every acknowledged write is on disk here, so it is on.
    AppendOnly,
    /// One, numbered 0.
    Databases,
    /// The most connections.
    MaxClients,
    /// Memory is not what bounds the store.
    MaxMemory,
    /// The longest command.
    MaxBulk,
    /// Who may answer the reads of this connection.
    ReadPolicy,
    /// Redis' snapshots, which there are none of.
    Save,
    /// Idle connections stay.
    Timeout,
}

impl Parameter {
    const ALL: [Parameter; 8] = [
        Parameter::AppendOnly,
        Parameter::Databases,
        Parameter::MaxClients,
        Parameter::MaxMemory,
        Parameter::MaxBulk,
        Parameter::ReadPolicy,
        Parameter::Save,
        Parameter::Timeout,
    ];

    fn name(self) -> &'static str {
        match self {
            Parameter::AppendOnly => "appendonly",
            Parameter::Databases => "databases",
            Parameter::MaxClients => "maxclients",
            Parameter::MaxMemory => "maxmemory",
            Parameter::MaxBulk => "proto-max-bulk-len",
            Parameter::ReadPolicy => "read-policy",
            Parameter::Save => "save",
            Parameter::Timeout => "timeout",
        }
    }

    fn setting(self, limits: &Limits, reads: Reads) -> String {
        match self {
            Parameter::AppendOnly => "yes".to_string(),
            Parameter::Databases => "1".to_string(),
            Parameter::MaxClients => limits.connections.to_string(),
            Parameter::MaxBulk => limits.command_bytes.to_string(),
            Parameter::ReadPolicy => match reads {
                Reads::Tail => "tail".to_string(),
                Reads::Any => "any".to_string(),
                Reads::Eventual => "eventual".to_string(),
            },
            Parameter::MaxMemory | Parameter::Timeout => "0".to_string(),
            Parameter::Save => String::new(),
        }
    }
}

/// How long a connection works before others have the thread.
const SLICE: Duration = Duration::from_millis(2);

/// A list with more elements is written piece by piece.
const LONG: usize = 16;

/// How many commands or settings may be asked for at once.
const MOST_NAMES: usize = 256;

const NO_TURN: &str = "TRYAGAIN other large replies are being read; nothing was changed: ask for \
                       fewer keys at once";
const NO_PASSWORD: &str = "ERR AUTH <password> called without any password configured for the \
                           default user. Are you sure your configuration is correct?";
const WRONG_PASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_EXPIRY: &str = "ERR keys do not expire here: EX, PX, EXAT, PXAT and KEEPTTL are not \
                         supported; nothing was stored";

/// In Redis' words; there is no cluster mode, because there are no slots: every node serves every key.
const NO_CLUSTER: &str = "ERR This instance has cluster support disabled";

/// The places of the keys of `MSET`, and of a key that is named more than once only the last: what stands before it
/// would be overwritten by the same command.
fn last_of_each(arguments: &Words<'_>) -> Vec<usize> {
    let mut seen = HashSet::new();
    let places = (1..arguments.len()).step_by(2).rev();
    let mut places: Vec<usize> = places.filter(|at| seen.insert(&arguments[*at])).collect();
    places.reverse();
    places
}

/// The options of `SET`.
fn set(arguments: &Words<'_>, patience: Patience) -> Result<(Fold, Job), Reply> {
    let new = Value::from(&*arguments[2]);
    let mut condition = Condition::Always;
    let mut before = false;
    let mut options = &arguments[3..];
    while let [option, rest @ ..] = options {
        options = rest;
        let chosen = match &option.to_ascii_uppercase()[..] {
            b"GET" => {
                before = true;
                continue;
            }
            b"NX" => Condition::Absent,
            b"XX" => Condition::Present,
            b"IFEQ" => {
                let [expected, rest @ ..] = rest else {
                    return Err(Reply::error(SYNTAX));
                };
                options = rest;
                Condition::Equal(Value::from(&**expected))
            }
            b"EX" | b"PX" | b"EXAT" | b"PXAT" if !rest.is_empty() => {
                return Err(Reply::error(NO_EXPIRY));
            }
            b"KEEPTTL" => return Err(Reply::error(NO_EXPIRY)),
            _ => return Err(Reply::error(SYNTAX)),
        };
        if condition != Condition::Always && condition != chosen {
            return Err(Reply::error(SYNTAX));
        }
        condition = chosen;
    }
    if before {
        return Ok((Fold::Before, Job::Exchange { condition, new, patience }));
    }
    let op = match condition {
        Condition::Always => Op::Put(new),
        Condition::Absent => Op::Create(new),
        Condition::Present => Op::Update(new),
        Condition::Equal(expected) => Op::CompareAndSwap { expected, new },
    };
    Ok((Fold::Written, Job::Operation(op, Reads::Any)))
}

/// The options of `SCAN`.
fn scan(arguments: &Words<'_>, limits: &Limits) -> Result<Alone, Reply> {
    let cursor = std::str::from_utf8(&arguments[1]).ok();
    let cursor = cursor.filter(|cursor| cursor.bytes().all(|digit| digit.is_ascii_digit()));
    let cursor = cursor.and_then(|cursor| cursor.parse::<u64>().ok());
    let cursor = cursor.ok_or(Reply::error("ERR invalid cursor"))?;
    let (mut pattern, mut count, mut strings) = (None, 10, true);
    for (at, pair) in arguments[2..].chunks(2).enumerate() {
        let [option, argument] = pair else {
            return Err(Reply::error(SYNTAX));
        };
        match &option.to_ascii_uppercase()[..] {
            b"MATCH" => pattern = Some(Pattern::new(argument)?),
            b"COUNT" => {
                let asked = integer(arguments, 2 * at + 3)?;
                if asked < 1 {
                    return Err(Reply::error(SYNTAX));
                }
                count = usize::try_from(asked).unwrap_or(usize::MAX).min(limits.scan_page);
            }
            b"TYPE" => strings = argument.eq_ignore_ascii_case(b"string"),
            _ => return Err(Reply::error(SYNTAX)),
        }
    }
    Ok(Alone::Scan { cursor, pattern, count, strings })
}

/// The words of a command that makes so much of each that they have to be few.
fn few<'a, 'b>(words: &'a Words<'b>) -> Result<&'a Words<'b>, Reply> {
    if words.len() > MOST_NAMES {
        return Err(Reply::Error(
            format!("ERR {} names are more than {MOST_NAMES}: ask for fewer at once", words.len())
                .into(),
        ));
    }
    Ok(words)
}
