//! The gateway: the proposer of the operations that come in through it.
//!
//! Every attempt of an operation comes from here, so that the smallest version that any of them saw
//! is remembered in one place. Lanes, incarnations and clients are those of the chain's gateway: a
//! lane has one operation outstanding; a gateway counts its starts, durably, before it says
//! anything; a client is told of a start with [`Msg::Opened`], and what it had under way is
//! unknown.
//!
//! A message that got no answer is sent again as it is; only a refusal begins a new attempt. So
//! ballots rise with contention, not with loss.

use super::bounds::is_believable;
use super::node::install;
use super::place::position;
use super::{
    Ballot, Content, Key, MAX_KEY_BYTES, Msg, RingActor, RingState, Row, Timeouts, Timer, View,
};
use crate::coordinator;
use crate::coordinator::msg::{Ask, Install};
use crate::kv::{self, Op, OpId, Outcome, Refusal, Value};
use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::ring::msg::{
    Accept, Accepted, Behind, Invoke, Opened, Prepare, Promise, Read, Refuse, Return, Vote,
};
use crate::session::Sessions;
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::ops::Range;

/// How far beyond a rival's ballot one that has to wait goes on: more than the rival makes
/// meanwhile.
pub(super) const STRIDE: u64 = 1 << 16;

/// A gateway, as a value: what it is configured with. Its state is a [`GatewayState`].
#[derive(Clone, Debug)]
pub struct Gateway<S, M = Intact> {
    clients: Vec<Id>,
    recent: usize,
    attempts: Option<u32>,
    timeouts: Timeouts,
    pub(super) mechanisms: M,
    store: PhantomData<S>,
}

/// What a gateway knows.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct GatewayState<S> {
    /// Holds incarnation and view. Invariant: equal to what was last saved, after every handler.
    pub store: S,
    /// Which start this is. Invariant: greater than at any earlier start.
    pub incarnation: u32,
    /// The newest view that it heard of. Invariant: its epoch never goes back.
    pub view: View,
    /// Counts attempts; what ballots are made of. Invariant: only grows, and no attempt has used
    /// more.
    pub n: u64,
    /// The lanes in use.
    pub lanes: BTreeMap<u32, Lane>,
}

/// One lane of a gateway.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct Lane {
    /// The newest operation of this lane. Invariant: only grows.
    pub seq: u64,
    /// What it is, while it is under way.
    pub pending: Option<Pending>,
    /// Which ballot of which key it was answered by, if it was a read that not all replicas have
    /// agreed with: those who are behind are told.
    pub read: Option<(kv::Key, Ballot)>,
}

/// An operation that is under way.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct Pending {
    /// Who is told of the outcome.
    pub client: Id,
    /// The key.
    pub key: kv::Key,
    /// What to do there.
    pub op: Op,
    /// How many attempts it has made.
    pub attempts: u32,
    /// The smallest version that any attempt saw, or a later one that was chosen without the
    /// operation. Invariant: the operation can only be part of a lineage as a later one.
    pub base: Option<u64>,
    /// Whether an `Accept` that holds its effect has left: only then can it have happened.
    pub proposed: bool,
    /// What it waits for.
    pub phase: Phase,
}

/// What an operation waits for.
#[derive(Clone, Debug, Hash, PartialEq)]
pub enum Phase {
    /// Votes for what was accepted last.
    Reading {
        /// Those that came.
        votes: BTreeMap<Id, (Ballot, bool, Option<Value>)>,
    },
    /// Promises.
    Preparing {
        /// Of this attempt.
        ballot: Ballot,
        /// Who has promised.
        promised: BTreeSet<Id>,
        /// The highest ballot that was accepted, as far as they tell.
        accepted: Ballot,
        /// Its content.
        content: Content,
        /// Whether all who have promised have voted for that ballot: with a quorum of them, it was
        /// chosen.
        agreed: bool,
    },
    /// Acceptance.
    Accepting {
        /// Of this attempt.
        ballot: Ballot,
        /// Who has accepted.
        accepted: BTreeSet<Id>,
        /// What was proposed.
        content: Content,
        /// What the client is told when a quorum has accepted.
        outcome: Outcome,
    },
    /// A random while, after a refusal; or the deadline, when no attempt is left.
    Waiting,
}

impl<S: Store<Key, Row>> Gateway<S> {
    /// A gateway for these clients (a front door, or scripts). `recent` says how many operations a
    /// register remembers, the same in the whole cluster.
    pub fn new(clients: Vec<Id>, recent: usize, timeouts: Timeouts) -> Self {
        Self::with(clients, recent, None, timeouts, Intact)
    }

    /// Fills a new store, once in its life, with the view that the gateway begins in.
    pub fn init(store: &mut S, view: View) {
        store.put(Key::Started, Row::Incarnation(0));
        store.put(Key::View, Row::View(view));
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Gateway<S, M> {
    /// A gateway that has these mechanisms, and makes so many attempts of an operation at the most.
    pub fn with(
        clients: Vec<Id>,
        recent: usize,
        attempts: Option<u32>,
        timeouts: Timeouts,
        mechanisms: M,
    ) -> Self {
        Gateway { clients, recent, attempts, timeouts, mechanisms, store: PhantomData }
    }

    /// Counts the start, durably, and tells the clients. A gateway without its store refuses to
    /// run: it would use an incarnation again, and with it ballots.
    pub(super) fn on_start(
        &self,
        storage: &Option<S>,
        out: &mut Out<RingActor<S, M>>,
    ) -> RingState<S> {
        let Some(mut store) = storage.clone() else {
            return RingState::Stopped;
        };
        let (Some(Row::Incarnation(started)), Some(Row::View(view))) =
            (store.get(&Key::Started), store.get(&Key::View))
        else {
            return RingState::Stopped;
        };
        let incarnation = started + 1;
        store.put(Key::Started, Row::Incarnation(incarnation));
        out.save(store.clone());
        out.broadcast(&self.clients, &Msg::Opened(Opened { incarnation }));
        if !view.coordinators.is_empty() {
            out.set_timer(Timer::Follow, self.timeouts.follow.clone());
        }
        let lanes = BTreeMap::new();
        RingState::Gateway(GatewayState { store, incarnation, view, n: 0, lanes })
    }

    pub(super) fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        src: Id,
        msg: Msg,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if !is_believable(&msg) {
            return;
        }
        match msg {
            Msg::Invoke(invoke) => {
                if self.clients.contains(&src) && invoke.id.gateway == id {
                    self.on_invoke(id, state, src, invoke, out);
                }
            }
            Msg::Vote(vote) => self.on_vote(id, state, src, vote, out),
            Msg::Promise(promise) => self.on_promise(state, src, promise, out),
            Msg::Accepted(accepted) => self.on_accepted(state, src, accepted, out),
            Msg::Refuse(refuse) => self.on_refuse(id, state, refuse, out),
            Msg::Views(msg) => self.on_views(id, state, src, msg, out),
            // Not for gateways.
            Msg::Opened(_)
            | Msg::Return(_)
            | Msg::Read(_)
            | Msg::Prepare(_)
            | Msg::Accept(_)
            | Msg::Sweep(_)
            | Msg::Held(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Belong(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Compared(_)
            | Msg::Want(_)
            | Msg::Copies(_)
            | Msg::Behind(_) => {}
        }
    }

    /// A coordinator knows a view, or a node asks for it.
    fn on_views(
        &self,
        id: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        src: Id,
        msg: coordinator::MsgOf<View>,
        out: &mut Out<RingActor<S, M>>,
    ) {
        match msg {
            coordinator::Msg::Install(install) => self.on_install(id, state, install, out),
            coordinator::Msg::Ask(ask) => self.on_ask(state, src, ask, out),
            // Not for gateways.
            coordinator::Msg::Heartbeat(_)
            | coordinator::Msg::Lease(_)
            | coordinator::Msg::Report(_)
            | coordinator::Msg::Prepare(_)
            | coordinator::Msg::Promise(_)
            | coordinator::Msg::Accept(_)
            | coordinator::Msg::Accepted(_) => {}
        }
    }

    /// The client wants something done.
    fn on_invoke(
        &self,
        gateway: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        client: Id,
        Invoke { id, key, op }: Invoke,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if !state.takes(&id) {
            return;
        }
        let state = state.to_mut();
        let too_long = if key.len() > MAX_KEY_BYTES { Err(Refusal::TooLarge) } else { Ok(()) };
        if let Err(refusal) = op.check(&key).and(too_long) {
            state.lanes.insert(id.lane, Lane { seq: id.seq, pending: None, read: None });
            let outcome = Outcome::Refused(refusal);
            return out.send(client, Msg::Return(Return { id, outcome }));
        }
        let is_read = op.is_read();
        let phase = Phase::Waiting;
        let (attempts, base, proposed) = (0, None, false);
        let pending = Pending { client, key, op, attempts, base, proposed, phase };
        let pending = Some(pending);
        state.lanes.insert(id.lane, Lane { seq: id.seq, pending, read: None });
        if let Some(deadline) = self.timeouts.deadline {
            out.set_timer(Timer::Deadline(id.lane), deadline..deadline);
        }
        if is_read {
            self.read(state, id, out);
        } else {
            self.attempt(gateway, state, id.lane, out);
        }
    }

    /// A node answers a read; only its first answer counts. Votes are of different moments: each is
    /// of one since the read began, and a ballot that a quorum has voted for at whatever moments is
    /// chosen.
    fn on_vote(
        &self,
        gateway: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        src: Id,
        vote: Vote,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Vote { epoch, id, accepted: ballot, .. } = vote;
        let Some(Pending { key, phase: Phase::Reading { votes }, .. }) = state.pending(&id) else {
            return self.on_late_vote(state, src, vote, out);
        };
        let at = position(key);
        if epoch != state.view.epoch
            || votes.contains_key(&src)
            || !state.view.replicas(at).contains(&src)
        {
            return;
        }
        let state = state.to_mut();
        let view = &state.view;
        let pending = under_way(&mut state.lanes, &id);
        let Some(Pending { phase: Phase::Reading { votes }, .. }) = pending else { return };
        votes.insert(src, (ballot, vote.voted, vote.value));
        let agrees = |id: &Id| matches!(votes.get(id), Some((other, true, _)) if *other == ballot);
        let answer = if self.mechanisms.lacks(Mechanism::ReadQuorum) {
            let highest = votes.values().max_by_key(|(ballot, ..)| *ballot);
            let answered = self.is_quorum(view, at, |id| votes.contains_key(&id));
            highest.filter(|_| answered).map(|(.., value)| value.clone())
        } else if self.is_quorum(view, at, |id| agrees(&id)) {
            votes.get(&src).map(|(.., value)| value.clone())
        } else {
            None
        };
        if let Some(value) = answer {
            self.note_read(state, id, at, ballot, out);
            let (_, outcome) = Op::Get.apply(value.as_ref());
            return self.end(state, id, outcome, out);
        }
        // Somebody who has not answered yet may settle it without getting into a writer's way.
        if view.replicas(at).iter().all(|id| votes.contains_key(id)) {
            self.attempt(gateway, state, id.lane, out);
        }
    }

    /// A read is about to be answered by what a quorum has voted for: whoever has shown less is
    /// told so, and who has not answered may yet show less.
    fn note_read(
        &self,
        state: &mut GatewayState<S>,
        id: OpId,
        at: u64,
        ballot: Ballot,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(Lane { pending: Some(pending), read, .. }) = state.lanes.get_mut(&id.lane) else {
            return;
        };
        let Phase::Reading { votes } = &pending.phase else { return };
        if self.timeouts.repair.is_none() || !state.view.is_stable() {
            return;
        }
        let (epoch, key) = (state.view.epoch, &pending.key);
        for (node, _) in votes.iter().filter(|(_, (shown, ..))| *shown < ballot) {
            out.send(*node, Msg::Behind(Behind { epoch, key: key.clone() }));
        }
        if votes.len() < state.view.replicas(at).len() {
            *read = Some((key.clone(), ballot));
        }
    }

    /// A node answers a read that has ended. If it has missed the write that the read returned, it
    /// is told so.
    fn on_late_vote(
        &self,
        state: &GatewayState<S>,
        src: Id,
        Vote { epoch, id, accepted: shown, .. }: Vote,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if let Some((key, ballot)) = state.last_read(&id)
            && epoch == state.view.epoch
            && shown < *ballot
            && state.view.replicas(position(key)).contains(&src)
        {
            out.send(src, Msg::Behind(Behind { epoch, key: key.clone() }));
        }
    }

    /// A node has promised. With a quorum, what to propose is known.
    fn on_promise(
        &self,
        state: &mut Cow<'_, GatewayState<S>>,
        src: Id,
        Promise { id, ballot: of, accepted, voted, content }: Promise,
        out: &mut Out<RingActor<S, M>>,
    ) {
        match state.pending(&id) {
            Some(Pending { phase: Phase::Preparing { ballot, promised, .. }, .. })
                if *ballot == of && !promised.contains(&src) => {}
            _ => return,
        }
        let state = state.to_mut();
        let view = &state.view;
        let Some(pending) = under_way(&mut state.lanes, &id) else { return };
        let Phase::Preparing { promised, accepted: highest, content: newest, agreed, .. } =
            &mut pending.phase
        else {
            return;
        };
        // That all lack it is not chosen by anybody: floors differ.
        let is_vote = voted && accepted > Ballot::default();
        *agreed = is_vote && (promised.is_empty() || (*agreed && accepted == *highest));
        promised.insert(src);
        let with_epoch = self.mechanisms.has(Mechanism::BallotEpoch);
        let rank = |ballot: Ballot| if with_epoch { ballot } else { Ballot { epoch: 0, ..ballot } };
        // Equal ballots have equal contents, but for what is missing: the highest floor counts.
        if (rank(accepted), content.version) > (rank(*highest), newest.version) {
            (*highest, *newest) = (accepted, content);
        }
        if self.is_quorum(view, position(&pending.key), |id| promised.contains(&id)) {
            let (newest, is_chosen) = (std::mem::take(newest), *agreed);
            self.propose(state, id, of, newest, is_chosen, out);
        }
    }

    /// A quorum has promised, and `newest` is what to build on.
    fn propose(
        &self,
        state: &mut GatewayState<S>,
        id: OpId,
        ballot: Ballot,
        newest: Content,
        is_chosen: bool,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(pending) = state.pending_mut(&id) else { return };
        let smallest = pending.base.filter(|_| self.mechanisms.has(Mechanism::SmallestBase));
        let base = smallest.map_or(newest.version, |base| base.min(newest.version));
        let found = newest.outcome(&id).cloned();
        let (content, outcome) =
            if let Some(outcome) = found.filter(|_| self.mechanisms.has(Mechanism::Recent)) {
                if is_chosen || self.mechanisms.lacks(Mechanism::FoundAccepted) {
                    return self.end(state, id, outcome, out);
                }
                pending.base = Some(base);
                (newest, outcome)
            } else {
                let is_told = newest.version - base <= self.recent as u64;
                if !pending.op.is_read() && !is_told && self.mechanisms.has(Mechanism::Recent) {
                    return self.end(state, id, Outcome::Unknown, out);
                }
                // What is chosen without the operation is settled: no attempt that saw less can
                // make it happen.
                pending.base = Some(if is_chosen { newest.version } else { base });
                let (value, outcome) = pending.op.apply(newest.value.as_ref());
                let is_refused = matches!(outcome, Outcome::Refused(_));
                if pending.op.is_read() || is_refused {
                    let is_sure = self.mechanisms.has(Mechanism::RefusalAccepted);
                    // An earlier attempt that saw more than this may still be built upon, until
                    // this is accepted.
                    let is_open = pending.proposed && self.mechanisms.has(Mechanism::RefusalOfAll);
                    if (is_chosen && !is_open) || (is_refused && !is_sure) {
                        return self.end(state, id, outcome, out);
                    }
                    (newest, outcome)
                } else {
                    pending.proposed = true;
                    (newest.after(value, id, outcome.clone(), self.recent), outcome)
                }
            };
        let accepted = BTreeSet::new();
        pending.phase = Phase::Accepting { ballot, accepted, content, outcome };
        self.ask(state, id, out);
    }

    /// A node has accepted. With a quorum, the content is chosen.
    fn on_accepted(
        &self,
        state: &mut Cow<'_, GatewayState<S>>,
        src: Id,
        Accepted { id, ballot: of }: Accepted,
        out: &mut Out<RingActor<S, M>>,
    ) {
        match state.pending(&id) {
            Some(Pending { phase: Phase::Accepting { ballot, accepted, .. }, .. })
                if *ballot == of && !accepted.contains(&src) => {}
            _ => return,
        }
        let state = state.to_mut();
        let view = &state.view;
        let Some(pending) = under_way(&mut state.lanes, &id) else { return };
        let Phase::Accepting { accepted, outcome, .. } = &mut pending.phase else { return };
        accepted.insert(src);
        if self.is_quorum(view, position(&pending.key), |id| accepted.contains(&id)) {
            let outcome = outcome.clone();
            self.end(state, id, outcome, out);
        }
    }

    /// A node has promised a higher ballot: begin again, above it. A first `Prepare` may only have
    /// been behind what others have counted, for other keys too, and is made good at once. Whoever
    /// is refused later has a rival, and waits a random while, at the end of which its ballot has
    /// to be above all that the rival has made meanwhile.
    fn on_refuse(
        &self,
        gateway: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        Refuse { id, ballot: of, promised }: Refuse,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(pending) = state.pending(&id) else { return };
        let is_behind = match &pending.phase {
            Phase::Preparing { ballot, .. } if *ballot == of => pending.attempts == 1,
            Phase::Accepting { ballot, .. } if *ballot == of => false,
            Phase::Reading { .. }
            | Phase::Preparing { .. }
            | Phase::Accepting { .. }
            | Phase::Waiting => return,
        };
        let state = state.to_mut();
        if is_behind {
            state.n = state.n.max(promised.n);
            return self.attempt(gateway, state, id.lane, out);
        }
        state.n = state.n.max(promised.n + STRIDE);
        let Some(pending) = state.pending_mut(&id) else { return };
        pending.phase = Phase::Waiting;
        out.cancel_timer(Timer::Resend(id.lane));
        if self.may_attempt(pending) {
            let refusals = if pending.proposed { 0 } else { pending.attempts - 1 };
            let doubled = 1 << refusals.min(self.timeouts.doublings);
            let Range { start, end } = self.timeouts.backoff;
            out.set_timer(Timer::Backoff(id.lane), start..end * doubled);
        }
    }

    /// There is a newer view: what is under way begins again in it.
    fn on_install(
        &self,
        gateway: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        Install { view }: Install<View>,
        out: &mut Out<RingActor<S, M>>,
    ) {
        if view.epoch <= state.view.epoch {
            return;
        }
        let state = state.to_mut();
        state.store.put(Key::View, Row::View(view.clone()));
        state.view = view;
        out.save(state.store.clone());
        for number in state.lanes.keys().copied().collect::<Vec<_>>() {
            let Some(lane) = state.lanes.get(&number) else { continue };
            match &lane.pending {
                Some(Pending { phase: Phase::Reading { .. }, .. }) => {
                    let id = state.op_id(gateway, number, lane.seq);
                    self.read(state, id, out);
                }
                Some(_) => {
                    out.cancel_timer(Timer::Backoff(number));
                    self.attempt(gateway, state, number, out);
                }
                None => {}
            }
        }
    }

    /// A node has not heard of this view.
    fn on_ask(&self, state: &GatewayState<S>, src: Id, ask: Ask, out: &mut Out<RingActor<S, M>>) {
        if ask.epoch < state.view.epoch {
            out.send(src, install(&state.view));
        }
    }

    pub(super) fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        timer: &Timer,
        out: &mut Out<RingActor<S, M>>,
    ) {
        match timer {
            Timer::Resend(lane) => self.on_resend(id, state, *lane, out),
            Timer::Backoff(lane) => {
                let waits = |lane: &Lane| {
                    matches!(&lane.pending, Some(Pending { phase: Phase::Waiting, .. }))
                };
                let goes_on = self.mechanisms.has(Mechanism::BackoffEnds);
                if goes_on && state.lanes.get(lane).is_some_and(waits) {
                    self.attempt(id, state.to_mut(), *lane, out);
                }
            }
            Timer::Deadline(lane) => self.on_deadline(id, state, *lane, out),
            Timer::Follow => self.on_follow(state, out),
            // Not a gateway's.
            Timer::Sweep
            | Timer::Fetch
            | Timer::Views(_)
            | Timer::Members(_)
            | Timer::Decide(_)
            | Timer::Repair => {}
        }
    }

    /// There may be a newer view that nobody has told of.
    fn on_follow(&self, state: &GatewayState<S>, out: &mut Out<RingActor<S, M>>) {
        let epoch = state.view.epoch;
        out.broadcast(&state.view.coordinators, &Msg::Views(coordinator::Msg::Ask(Ask { epoch })));
        out.set_timer(Timer::Follow, self.timeouts.follow.clone());
    }

    /// No answers for a while: ask again. A read that has a quorum of answers and no agreement
    /// waits no longer for the others.
    fn on_resend(
        &self,
        gateway: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        number: u32,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(Lane { seq, pending: Some(pending), .. }) = state.lanes.get(&number) else {
            return;
        };
        let at = position(&pending.key);
        match &pending.phase {
            _ if !self.mechanisms.has(Mechanism::AsksAgain) => {}
            Phase::Reading { votes }
                if self.is_quorum(&state.view, at, |id| votes.contains_key(&id))
                    && self.mechanisms.has(Mechanism::ReadsComplete) =>
            {
                self.attempt(gateway, state.to_mut(), number, out);
            }
            Phase::Waiting => {}
            Phase::Reading { .. } | Phase::Preparing { .. } | Phase::Accepting { .. } => {
                self.ask(state, state.op_id(gateway, number, *seq), out)
            }
        }
    }

    /// The operation has taken too long. If nothing left that could make it happen, it did not, and
    /// never will; else it may have happened, or still may.
    fn on_deadline(
        &self,
        gateway: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        number: u32,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(Lane { seq, pending: Some(pending), .. }) = state.lanes.get(&number) else {
            return;
        };
        let outcome = if pending.proposed {
            Outcome::Unknown
        } else {
            Outcome::Refused(Refusal::Unavailable)
        };
        let id = state.op_id(gateway, number, *seq);
        self.end(state.to_mut(), id, outcome, out);
    }

    /// Begins to read.
    fn read(&self, state: &mut GatewayState<S>, id: OpId, out: &mut Out<RingActor<S, M>>) {
        if let Some(pending) = state.pending_mut(&id) {
            pending.phase = Phase::Reading { votes: BTreeMap::new() };
        }
        self.ask(state, id, out);
    }

    /// Begins the next attempt, with a ballot that none has used before.
    fn attempt(
        &self,
        gateway: Id,
        state: &mut GatewayState<S>,
        number: u32,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let (n, incarnation, epoch) = (state.n + 1, state.incarnation, state.view.epoch);
        let Some(lane) = state.lanes.get_mut(&number) else { return };
        let Some(pending) = &mut lane.pending else { return };
        if !self.may_attempt(pending) {
            pending.phase = Phase::Waiting;
            return out.cancel_timer(Timer::Resend(number));
        }
        pending.attempts += 1;
        let shared = self.mechanisms.lacks(Mechanism::BallotPerAttempt);
        let n = if shared { u64::from(pending.attempts) } else { n };
        let with_incarnation = self.mechanisms.has(Mechanism::BallotIncarnation);
        let of_start = if with_incarnation { incarnation } else { 0 };
        let ballot = Ballot { epoch, n, gateway, incarnation: of_start };
        pending.phase = Phase::Preparing {
            ballot,
            promised: BTreeSet::new(),
            accepted: Ballot::default(),
            content: Content::default(),
            agreed: false,
        };
        let id = OpId { gateway, incarnation, lane: number, seq: lane.seq };
        state.n = state.n.max(n);
        self.ask(state, id, out);
    }

    /// Sends what an operation's phase says to all replicas of its key that have not answered it,
    /// and makes sure that it is sent again.
    fn ask(&self, state: &GatewayState<S>, id: OpId, out: &mut Out<RingActor<S, M>>) {
        let Some(pending) = state.pending(&id) else { return };
        let key = || pending.key.clone();
        let epoch = state.view.epoch;
        for node in state.view.replicas(position(&pending.key)) {
            let (answered, msg) = match &pending.phase {
                Phase::Reading { votes } => {
                    (votes.contains_key(&node), Msg::Read(Read { epoch, id, key: key() }))
                }
                Phase::Preparing { ballot, promised, .. } => (
                    promised.contains(&node),
                    Msg::Prepare(Prepare { id, key: key(), ballot: *ballot }),
                ),
                Phase::Accepting { ballot, accepted, content, .. } => {
                    let (ballot, content) = (*ballot, content.clone());
                    (
                        accepted.contains(&node),
                        Msg::Accept(Accept { id, key: key(), ballot, content }),
                    )
                }
                Phase::Waiting => return,
            };
            if !answered {
                out.send(node, msg);
            }
        }
        out.set_timer(Timer::Resend(id.lane), self.timeouts.resend.clone());
    }

    /// Ends what is under way in a lane.
    fn end(
        &self,
        state: &mut GatewayState<S>,
        id: OpId,
        outcome: Outcome,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Some(lane) = state.lanes.get_mut(&id.lane) else { return };
        let Some(pending) = lane.pending.take() else { return };
        for timer in [Timer::Resend(id.lane), Timer::Backoff(id.lane), Timer::Deadline(id.lane)] {
            out.cancel_timer(timer);
        }
        out.send(pending.client, Msg::Return(Return { id, outcome }));
    }

    fn may_attempt(&self, pending: &Pending) -> bool {
        self.attempts.is_none_or(|attempts| pending.attempts < attempts)
    }

    /// Whether those for whom `has` holds are a quorum for what is at a position.
    pub fn is_quorum(&self, view: &View, at: u64, has: impl Fn(Id) -> bool) -> bool {
        if self.mechanisms.lacks(Mechanism::QuorumMajority) {
            return view.replicas(at).into_iter().any(has);
        }
        if self.mechanisms.lacks(Mechanism::QuorumJoint) {
            return View::stable(view.epoch, view.new.clone()).is_quorum(at, has);
        }
        view.is_quorum(at, has)
    }

    /// Whether an operation has made all the attempts it may, and waits for nothing any more.
    pub fn is_given_up(&self, pending: &Pending) -> bool {
        matches!(pending.phase, Phase::Waiting) && !self.may_attempt(pending)
    }
}

/// What is under way in an operation's lane; whether it is that operation the caller knows.
fn under_way<'a>(lanes: &'a mut BTreeMap<u32, Lane>, id: &OpId) -> Option<&'a mut Pending> {
    lanes.get_mut(&id.lane)?.pending.as_mut()
}

impl<S> GatewayState<S> {
    /// The operation of this identity, if it is under way.
    pub fn pending(&self, id: &OpId) -> Option<&Pending> {
        let lane = self.lanes.get(&id.lane).filter(|_| self.is_newest(id))?;
        lane.pending.as_ref()
    }

    /// What the newest operation of a lane was answered by, if it is this one, a read, and may have
    /// to be repaired.
    pub(super) fn last_read(&self, id: &OpId) -> Option<&(kv::Key, Ballot)> {
        let lane = self.lanes.get(&id.lane).filter(|_| self.is_newest(id))?;
        lane.read.as_ref()
    }

    fn pending_mut(&mut self, id: &OpId) -> Option<&mut Pending> {
        if !self.is_newest(id) {
            return None;
        }
        self.lanes.get_mut(&id.lane)?.pending.as_mut()
    }
}

impl<S> Sessions for GatewayState<S> {
    fn incarnation(&self) -> u32 {
        self.incarnation
    }

    fn newest(&self, lane: u32) -> Option<(u64, bool)> {
        self.lanes.get(&lane).map(|lane| (lane.seq, lane.pending.is_some()))
    }
}
