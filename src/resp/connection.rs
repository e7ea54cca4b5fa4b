//! One connection: from commands to operations, from outcomes to replies in order.
//!
//! [`Session`] is the connection without its socket: bytes are put into its [`Reader`], and bytes
//! are taken from its `out`. It spawns no tasks. A command has a *slot*, and slots stand in the
//! order of commands. What a command asks of one of its keys is a *piece*. Pieces go into the
//! *queue* of their key; the first in a queue runs, as a future in one [`FuturesUnordered`], and
//! hands the queue to the next when it has its answer. A slot whose pieces are all answered becomes
//! a reply, and replies leave from the first slot on.
//!
//! Invariants: at most [`Limits::operations`](super::shared::Limits::operations) pieces are in
//! queues, and as many slots stand; the rest of a command with more keys than that waits in
//! `backlog`, and no command is read before it is empty. A key has a queue exactly while one of its
//! pieces runs. Pieces that read are further bounded by a [`Window`], and a command whose answers
//! grow large goes on when it has a turn ([`budget`](super::budget)).
//!
//! A client may send everything before it reads anything. While replies wait that it does not take
//! (`stalled`), commands are therefore still taken from the socket, up to
//! [`Limits::waiting_bytes`], and carried out as far as their replies fit the same bound.
//!
//! Commands that the connection answers by itself are carried out when they are read, which may be
//! before an earlier operation has its outcome; no client can tell, because their replies wait in
//! the queue, each with the version of the protocol that was spoken where its command stood.

mod queues;

use self::queues::{Size, Waiting};
use super::Service;
use super::budget::{BULK, Window};
use super::client::{Client, Seat};
use super::command::{Alone, Call, Does, Settings};
use super::commands::{self, Resolved};
use super::group::{Group, Verdict};
use super::job::Answer;
use super::shared::Shared;
use super::tally::Tally;
use super::wire::{Protocol, Reader, Reply, WireError, Words};
use chainring_model::kv::Key;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// What a connection's futures end with.
pub(super) enum Finished {
    /// One key of a command is answered.
    Piece(u64, Piece),
    /// The whole reply of a command is there.
    Reply(u64, Reply),
    /// A large reply has its turn to be gathered, or has waited too long for it.
    Turn(Option<OwnedSemaphorePermit>),
}

/// One key of a command, answered.
pub(super) struct Piece {
    index: usize,
    key: Key,
    answer: Answer,
    size: Size,
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
    settings: Settings,
    /// What has arrived.
    pub(super) reader: Reader,
    /// What is to be sent.
    pub(super) out: Vec<u8>,
    /// What is being waited for.
    pub(super) running: FuturesUnordered<Running>,
    slots: VecDeque<Slot>,
    /// The number of the first slot.
    first: u64,
    backlog: VecDeque<Waiting>,
    queues: HashMap<Key, VecDeque<Waiting>>,
    /// How many pieces are in queues.
    admitted: usize,
    /// How many of them read.
    reading: usize,
    window: Window,
    turn: Turn,
    /// About how many bytes the pieces hold that wait or run.
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
            settings: Settings::default(),
            reader: Reader::new(shared.limits.bounds()),
            shared,
            out: Vec::new(),
            running: FuturesUnordered::new(),
            slots: VecDeque::new(),
            first: 0,
            backlog: VecDeque::new(),
            queues: HashMap::new(),
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

    /// Does all that can be done without waiting, for a few milliseconds at the most: reads
    /// commands, starts operations, takes answers, writes replies to `out`.
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
            Finished::Piece(slot, piece) => {
                self.leave(piece.size);
                if piece.size.reads > 0 {
                    self.window.note(piece.answer.weight(), self.shared.limits.operations);
                }
                let limit = self.shared.limits.reply_bytes;
                if let Some(SlotState::Gathering(tally)) = self.state(slot) {
                    let (before, given_up) = (tally.held(), tally.is_given_up());
                    tally.take(piece.index, piece.answer, limit);
                    let (after, gives_up) = (tally.held(), tally.is_given_up() && !given_up);
                    self.held = self.held + after - before;
                    if gives_up {
                        self.forget(slot);
                    }
                    self.settle(slot);
                }
                self.pass_queue(&piece.key);
            }
        }
    }

    /// What is in this slot.
    fn state(&mut self, slot: u64) -> Option<&mut SlotState> {
        let at = usize::try_from(slot - self.first).unwrap_or(usize::MAX);
        let state = self.slots.get_mut(at).map(|slot| &mut slot.state);
        if state.is_none() {
            // A slot leaves only when all of its pieces are answered.
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

    /// How many bytes of replies may wait, where so many bytes of commands do. A client that does
    /// not read is to be able to send, so that it can come to read: when it has sent much, its
    /// commands are carried out up to a higher bound.
    fn most_replies(&self, waiting: usize) -> usize {
        let limits = &self.shared.limits;
        let ahead = self.stalled && waiting > limits.waiting_bytes / 2;
        if ahead { limits.waiting_bytes } else { limits.buffered_bytes }
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
        let (protocol, silent) = (self.settings.protocol, !self.wanted);
        self.slots.push_back(Slot { protocol, silent, state });
        self.first + (self.slots.len() as u64 - 1)
    }

    fn execute(&mut self, arguments: &Words<'_>) {
        let (verdict, wanted) = self.group.look(arguments);
        self.wanted = wanted;
        match verdict {
            Verdict::CarryOut => self.carry_out(arguments),
            Verdict::Reply(reply) => self.push(reply),
        }
        self.wanted = true;
    }

    fn carry_out(&mut self, words: &Words<'_>) {
        let Resolved { command, found } = match commands::resolve(words) {
            Ok(resolved) => resolved,
            Err(reply) => return self.push(reply),
        };
        let is_sub = !std::ptr::eq(command, found);
        self.seat.asks(command.name, is_sub.then_some(found.name));
        let mut call = Call {
            command,
            words,
            client: &self.seat,
            settings: &mut self.settings,
            service: &self.service,
            shared: &self.shared,
        };
        match (found.run)(&mut call) {
            Ok(Does::Reply(reply)) | Err(reply) => self.push(reply),
            Ok(Does::LastReply(reply)) => {
                self.push(reply);
                self.closing = true;
            }
            Ok(Does::Ask(fold, jobs)) => self.submit(fold, jobs),
            Ok(Does::Alone(alone)) => {
                self.queue(SlotState::Alone);
                self.alone = Some(alone);
            }
        }
    }
}

/// How long a connection works before others have the thread.
const SLICE: Duration = Duration::from_millis(2);

/// A list with more elements is written piece by piece.
const LONG: usize = 16;
