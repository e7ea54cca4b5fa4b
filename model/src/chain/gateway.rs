//! The gateway: where operations come in, and where exactly-once begins.
//!
//! Replicated stores go wrong where clients retry, so the client's side is an actor too, and
//! checked. A gateway gives an operation an identity that every retry of it shares, sends it to the
//! replica that its view names, sends it again while nothing comes back, follows redirects, and,
//! when its deadline has passed, says what is known: a read is *unavailable*, a write is *unknown*.
//!
//! - **Lanes.** A lane has one operation outstanding; many operations at a time take many lanes. So
//!   the replicas need to remember one outcome a lane, and the table is bounded.
//! - **Incarnations.** A gateway counts its starts, durably, before it says anything. An operation
//!   of an earlier start can never be taken for one of this start; its client was told that it is
//!   unknown.
//! - **Views.** A gateway follows the newest view that it hears of, durably: coordinators tell it,
//!   replicas redirect it, and while neither does it asks. What is under way then goes to where the
//!   new view says, under the same identity; so an operation whose head or tail died ends by
//!   itself, exactly once.
//! - **Copies.** While its view has fewer members than copies are to be kept, a gateway holds
//!   updates back, for the head would not take them. What was never sent when its deadline passes
//!   has not happened: it is *unavailable*.
//! - **Clients** are told of a start with [`Msg::Opened`], and name operations after it. A late
//!   [`Msg::Invoke`] of an earlier start, or a duplicate, is refused.

use super::bounds::is_believable;
use super::{ChainActor, ChainState, Key, Msg, Reads, Row, Timeouts, Timer, View};
use crate::chain::msg::{Invoke, Opened, Redirect, Reply, Request, Return};
use crate::coordinator;
use crate::coordinator::msg::{Ask, Install};
use crate::kv::{self, Op, OpId, Outcome, Refusal};
use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::session::Sessions;
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

/// A gateway, as a value: what it is configured with. Its state is a [`GatewayState`].
#[derive(Clone, Debug)]
pub struct Gateway<S, M = Intact> {
    client: Id,
    nearest: Option<Id>,
    view: View,
    timeouts: Timeouts,
    copies: usize,
    pub(super) mechanisms: M,
    store: PhantomData<S>,
}

/// What a gateway knows.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct GatewayState<S> {
    /// Holds the incarnation. Invariant: equal to what was last saved, after every handler.
    pub store: S,
    /// Which start this is. Invariant: greater than at any earlier start.
    pub incarnation: u32,
    /// The newest view that it heard of; mirrors [`Key::View`] where that is not the one that it is
    /// configured with. Invariant: its epoch never goes back.
    pub view: View,
    /// The lanes in use.
    pub lanes: BTreeMap<u32, Lane>,
}

/// An operation that is under way: on which key, what, and who may answer it if it is a read.
pub type Pending = (kv::Key, Op, Reads);

/// One lane of a gateway.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct Lane {
    /// The newest operation of this lane. Invariant: only grows.
    pub seq: u64,
    /// What it is, while it is under way.
    pub pending: Option<Pending>,
    /// Whether that was ever sent. What was not has not happened, and never will.
    pub sent: bool,
}

impl<S: Store<Key, Row>> Gateway<S> {
    /// A gateway for one client (a front door, or a script), which first starts with this view, and
    /// reads from the `nearest` replica, or from the tail.
    pub fn new(client: Id, nearest: Option<Id>, view: View, timeouts: Timeouts) -> Self {
        Self::with(client, nearest, view, timeouts, Intact)
    }

    /// Fills a new store, once in its life.
    pub fn init(store: &mut S) {
        store.put(Key::Started, Row::Incarnation(0));
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Gateway<S, M> {
    /// A gateway that has these mechanisms.
    pub fn with(
        client: Id,
        nearest: Option<Id>,
        view: View,
        timeouts: Timeouts,
        mechanisms: M,
    ) -> Self {
        Gateway { client, nearest, view, timeouts, copies: 1, mechanisms, store: PhantomData }
    }

    /// The same, for a chain that keeps so many copies: it holds updates back while there are
    /// fewer.
    pub fn copies(mut self, copies: usize) -> Self {
        self.copies = copies;
        self
    }

    /// The view that the first start begins with.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Counts the start, durably, and tells the client. A gateway without its store refuses to run:
    /// it would use an incarnation again, and be given other operations' outcomes.
    pub(super) fn on_start(
        &self,
        storage: &Option<S>,
        out: &mut Out<ChainActor<S, M>>,
    ) -> ChainState<S> {
        let Some(mut store) = storage.clone() else {
            return ChainState::Stopped;
        };
        let Some(Row::Incarnation(started)) = store.get(&Key::Started) else {
            return ChainState::Stopped;
        };
        let incarnation =
            if self.mechanisms.has(Mechanism::IncarnationGrows) { started + 1 } else { 1 };
        store.put(Key::Started, Row::Incarnation(incarnation));
        out.save(store.clone());
        out.send(self.client, Msg::Opened(Opened { incarnation }));
        let view = match store.get(&Key::View) {
            Some(Row::View(view)) if view.epoch > self.view.epoch => view,
            _ => self.view.clone(),
        };
        if !view.coordinators.is_empty() {
            out.set_timer(Timer::Follow, self.timeouts.follow.clone());
        }
        ChainState::Gateway(GatewayState { store, incarnation, view, lanes: BTreeMap::new() })
    }

    pub(super) fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        src: Id,
        msg: Msg,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if !is_believable(&msg) {
            return;
        }
        match msg {
            Msg::Invoke(invoke) => {
                if src == self.client && invoke.id.gateway == id {
                    self.on_invoke(state, invoke, out);
                }
            }
            Msg::Reply(reply) => self.on_reply(state, reply, out),
            Msg::Redirect(Redirect { view }) => self.on_view(id, state, view, out),
            Msg::Views(msg) => match msg {
                coordinator::Msg::Install(Install { view }) => self.on_view(id, state, view, out),
                // Not for gateways.
                coordinator::Msg::Heartbeat(_)
                | coordinator::Msg::Lease(_)
                | coordinator::Msg::Ask(_)
                | coordinator::Msg::Report(_)
                | coordinator::Msg::Prepare(_)
                | coordinator::Msg::Promise(_)
                | coordinator::Msg::Accept(_)
                | coordinator::Msg::Accepted(_) => {}
            },
            // Not for gateways.
            Msg::Opened(_)
            | Msg::Return(_)
            | Msg::Request(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => {}
        }
    }

    /// The client wants something done.
    fn on_invoke(
        &self,
        state: &mut Cow<'_, GatewayState<S>>,
        Invoke { id, key, op, reads }: Invoke,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if !state.takes(&id) {
            return;
        }
        let refused = op.check(&key).err();
        let pending = refused.is_none().then(|| (key.clone(), op.clone(), reads));
        let seq = id.seq;
        let target = self.target(state, &op, reads);
        let sent = target.is_some();
        state.to_mut().lanes.insert(id.lane, Lane { seq, pending, sent });
        if let Some(refusal) = refused {
            let outcome = Outcome::Refused(refusal);
            return out.send(self.client, Msg::Return(Return { id, outcome }));
        }
        self.request(target, id, (key, op, reads), out);
        if let Some(deadline) = self.timeouts.deadline {
            out.set_timer(Timer::Deadline(id.lane), deadline..deadline);
        }
    }

    /// A replica answers. Only the first answer counts.
    fn on_reply(
        &self,
        state: &mut Cow<'_, GatewayState<S>>,
        Reply { id, outcome }: Reply,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if !state.is_pending(&id) {
            return;
        }
        out.cancel_timer(Timer::Retry(id.lane));
        out.cancel_timer(Timer::Deadline(id.lane));
        self.end(state.to_mut(), id, outcome, out);
    }

    /// A replica or a coordinator knows a view: if it is newer, what is under way goes where it
    /// says.
    fn on_view(
        &self,
        id: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        view: View,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if view.epoch <= state.view.epoch {
            return;
        }
        let state = state.to_mut();
        state.store.put(Key::View, Row::View(view.clone()));
        out.save(state.store.clone());
        state.view = view;
        let mut sent = BTreeSet::new();
        for (number, lane) in &state.lanes {
            if let Some((key, op, reads)) = lane.pending.clone() {
                let op_id = state.op_id(id, *number, lane.seq);
                let target = self.target(state, &op, reads);
                sent.extend(target.map(|_| *number));
                self.request(target, op_id, (key, op, reads), out);
            }
        }
        for (number, lane) in &mut state.lanes {
            lane.sent |= sent.contains(number);
        }
    }

    pub(super) fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        timer: &Timer,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        match timer {
            Timer::Retry(lane) => self.on_retry(id, state, *lane, out),
            Timer::Deadline(lane) => self.on_deadline(id, state, *lane, out),
            Timer::Follow => self.on_follow(state, out),
            // Not a gateway's.
            Timer::Resend
            | Timer::Learn
            | Timer::Silence
            | Timer::Heartbeat
            | Timer::Lapse(_)
            | Timer::Views(_) => {}
        }
    }

    /// Whoever should have told this gateway of a view may be dead: ask all who could know.
    fn on_follow(&self, state: &GatewayState<S>, out: &mut Out<ChainActor<S, M>>) {
        if !self.mechanisms.has(Mechanism::GatewaysFollow) {
            return;
        }
        let epoch = state.view.epoch;
        let ask = Msg::Views(coordinator::Msg::Ask(Ask { epoch }));
        out.broadcast(&state.view.coordinators, &ask);
        out.set_timer(Timer::Follow, self.timeouts.follow.clone());
    }

    /// No reply for a while: ask again; a read now at the tail, which answers whatever is dirty.
    fn on_retry(
        &self,
        id: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        number: u32,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let Some(lane) = state.lanes.get(&number) else {
            return;
        };
        let Some((key, op, reads)) = lane.pending.clone() else {
            return;
        };
        let target = if op.is_read() { state.view.tail() } else { self.head(state) };
        if self.mechanisms.has(Mechanism::Retry) {
            let op_id = state.op_id(id, number, lane.seq);
            let is_first = target.is_some() && !lane.sent;
            if is_first && let Some(lane) = state.to_mut().lanes.get_mut(&number) {
                lane.sent = true;
            }
            self.request(target, op_id, (key, op, reads), out);
        }
    }

    /// The operation has taken too long. A read changes nothing, and so does what was held back;
    /// any other write may have happened, or still may.
    fn on_deadline(
        &self,
        id: Id,
        state: &mut Cow<'_, GatewayState<S>>,
        number: u32,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let Some(lane) = state.lanes.get(&number) else {
            return;
        };
        let Some((_, op, _)) = &lane.pending else {
            return;
        };
        let known =
            op.is_read() || !lane.sent || self.mechanisms.lacks(Mechanism::UnknownIsUnknown);
        let outcome = if known { Outcome::Refused(Refusal::Unavailable) } else { Outcome::Unknown };
        let op_id = state.op_id(id, number, lane.seq);
        out.cancel_timer(Timer::Retry(number));
        self.end(state.to_mut(), op_id, outcome, out);
    }

    /// Ends what is under way in a lane.
    fn end(
        &self,
        state: &mut GatewayState<S>,
        id: OpId,
        outcome: Outcome,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if let Some(lane) = state.lanes.get_mut(&id.lane) {
            lane.pending = None;
        }
        out.send(self.client, Msg::Return(Return { id, outcome }));
    }

    /// Sends an operation to the chain, and makes sure that it is sent again.
    fn request(
        &self,
        target: Option<Id>,
        id: OpId,
        (key, op, reads): Pending,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        if let Some(target) = target {
            out.send(target, Msg::Request(Request { id, key, op, reads }));
        }
        out.set_timer(Timer::Retry(id.lane), self.timeouts.retry.clone());
    }

    /// Where an operation goes first: updates to the head, reads to the nearest member that may
    /// answer.
    fn target(&self, state: &GatewayState<S>, op: &Op, reads: Reads) -> Option<Id> {
        if !op.is_read() {
            return self.head(state);
        }
        if reads == Reads::Tail {
            return state.view.tail();
        }
        let nearest = self.nearest.filter(|id| state.view.chain.contains(id));
        nearest.or(state.view.tail())
    }

    /// Where updates go, if anywhere: a head of fewer members than copies are to be kept takes
    /// none.
    fn head(&self, state: &GatewayState<S>) -> Option<Id> {
        let has_copies = state.view.has_copies(self.copies);
        let sends = has_copies || self.mechanisms.lacks(Mechanism::CopiesAwaited);
        state.view.head().filter(|_| sends)
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
