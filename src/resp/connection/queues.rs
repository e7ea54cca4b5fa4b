//! From a command's keys to operations: what waits, what runs, and in which order.
//!
//! A command's pieces wait in `backlog`. While there is room they go on, in order, each into the
//! queue of its key. The first piece in a queue runs; the others run after it, one by one, so that
//! operations on one key happen in the order in which they were sent.

use super::{Finished, Piece, Session, Slot, SlotState, Turn};
use crate::resp::Service;
use crate::resp::budget::BULK;
use crate::resp::command::Alone;
use crate::resp::fold::Fold;
use crate::resp::job::{Answer, Job};
use crate::resp::tally::Tally;
use crate::resp::wire::Reply;
use chainring_model::kv::{Key, Outcome, Refusal};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// One key of a command, waiting.
pub(super) struct Waiting {
    slot: u64,
    index: usize,
    key: Key,
    job: Job,
    size: Size,
}

/// What a piece counts for.
#[derive(Clone, Copy)]
pub(super) struct Size {
    bytes: usize,
    pub(super) reads: usize,
}

const NO_TURN: &str = "TRYAGAIN other large replies are being read; nothing was changed: ask for \
                       fewer keys at once";

impl<S: Service> Session<S> {
    /// Queues a command on keys, unless one of them is too large: then nothing of it is done.
    pub(super) fn submit(&mut self, fold: &'static Fold, jobs: Vec<(Key, Job)>) {
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

    /// Moves pieces from the backlog into queues while there is room, and starts a command that
    /// waited for everything before it; whether any moved.
    pub(super) fn admit(&mut self) -> bool {
        let mut any = false;
        while self.may_admit()
            && let Some(piece) = self.backlog.pop_front()
        {
            any = true;
            self.admitted += 1;
            self.reading += piece.size.reads;
            match self.queues.get_mut(&piece.key) {
                Some(queue) => queue.push_back(piece),
                None => {
                    self.queues.insert(piece.key.clone(), VecDeque::new());
                    self.start(piece);
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

    /// Whether the next piece of the backlog may go into its queue; it asks for a turn if it needs
    /// one.
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

    fn start(&mut self, piece: Waiting) {
        let Waiting { slot, index, key, job, size } = piece;
        let service = self.service.clone();
        let expects = self.window.expects().filter(|_| size.reads > 0);
        let shared = expects.map(|_| Arc::clone(&self.shared));
        self.running.push(Box::pin(async move {
            let mut _room = None;
            if let (Some(bytes), Some(shared)) = (expects, shared) {
                _room = shared.budget.room(bytes).await;
                if _room.is_none() {
                    let answer = Answer::Outcome(Outcome::Refused(Refusal::Unavailable));
                    return Finished::Piece(slot, Piece { index, key, answer, size });
                }
            }
            let answer = job.run(&service, &key).await;
            Finished::Piece(slot, Piece { index, key, answer, size })
        }));
    }

    /// Starts the next piece in the queue of a key whose piece is answered.
    pub(super) fn pass_queue(&mut self, key: &Key) {
        match self.queues.get_mut(key).and_then(VecDeque::pop_front) {
            Some(next) => self.start(next),
            None => {
                self.queues.remove(key);
            }
        }
    }

    fn start_alone(&mut self, alone: Alone) {
        let slot = self.first;
        let work = alone(Arc::new(self.service.clone()), Arc::clone(&self.shared));
        self.running.push(Box::pin(async move { Finished::Reply(slot, work.await) }));
    }

    /// Forgets those pieces of a command that were not begun: its reply is known without them.
    pub(super) fn forget(&mut self, slot: u64) {
        let (mut dropped, mut admitted) = (Vec::new(), Vec::new());
        let of_slot = |piece: &Waiting, into: &mut Vec<Size>| {
            let is = piece.slot == slot;
            if is {
                into.push(piece.size);
            }
            !is
        };
        self.backlog.retain(|piece| of_slot(piece, &mut dropped));
        for queue in self.queues.values_mut() {
            queue.retain(|piece| of_slot(piece, &mut admitted));
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

    /// Counts a piece out that was in a queue.
    pub(super) fn leave(&mut self, size: Size) {
        self.admitted -= 1;
        self.reading -= size.reads;
        self.pending -= size.bytes;
    }

    pub(super) fn take_turn(&mut self, permit: Option<OwnedSemaphorePermit>) {
        self.turn = Turn::None;
        let Some(slot) = self.backlog.front().map(|piece| piece.slot) else { return };
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
}
