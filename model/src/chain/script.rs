//! A scripted client: the model's stand-in for a front door.

use super::{ChainActor, Key, Msg, Reads, Row};
use crate::chain::msg::{Invoke, Opened, Return, Scan, Scanned};
use crate::kv::{self, Op, OpId};
use crate::mechanism::Mechanisms;
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;

/// Uses some lanes of one gateway at a time. In each it invokes operations one after the other,
/// each when the one before it has ended. It does not crash; when its gateway does, it gives up
/// what was under way and goes on.
#[derive(Clone, Debug)]
pub struct Script {
    /// Through which gateway.
    pub gateway: Id,
    /// Which replica may answer its reads.
    pub reads: Reads,
    /// What to do in each lane, in order.
    pub lanes: Vec<Vec<(kv::Key, Op)>>,
    /// Where its reads are listings of all keys, of so many at the most: which replicas it asks.
    /// The first answer is the one that it takes.
    pub lists: Option<(Vec<Id>, u32)>,
}

/// How far a script is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ScriptState {
    /// The gateway's start that this script knows of. Gateways of a model begin with 1.
    pub incarnation: u32,
    /// How far each lane is.
    pub lanes: Vec<ScriptLane>,
}

/// How far a lane of a script is.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct ScriptLane {
    /// How many operations were invoked.
    pub invoked: usize,
    /// How many of them since the gateway's start: the `seq` of the last one.
    pub seq: u64,
    /// Whether the last one of these is under way.
    pub waiting: bool,
}

impl Script {
    pub(super) fn on_start<S: Store<Key, Row>, M: Mechanisms>(
        &self,
        out: &mut Out<ChainActor<S, M>>,
    ) -> ScriptState {
        let lanes = vec![ScriptLane::default(); self.lanes.len()];
        let mut state = ScriptState { incarnation: 1, lanes };
        for lane in 0..self.lanes.len() {
            self.invoke_next(&mut state, lane, out);
        }
        state
    }

    pub(super) fn on_msg<S: Store<Key, Row>, M: Mechanisms>(
        &self,
        state: &mut Cow<'_, ScriptState>,
        msg: Msg,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        match msg {
            Msg::Return(Return { id, .. }) if self.is_waiting_for(state, &id) => {
                self.invoke_next(state.to_mut(), id.lane as usize, out);
            }
            Msg::Scanned(Scanned { ticket, .. }) if self.awaits(state, ticket).is_some() => {
                if let Some(lane) = self.awaits(state, ticket) {
                    self.invoke_next(state.to_mut(), lane, out);
                }
            }
            Msg::Opened(Opened { incarnation }) if incarnation > state.incarnation => {
                let state = state.to_mut();
                state.incarnation = incarnation;
                for lane in 0..self.lanes.len() {
                    state.lanes[lane].seq = 0;
                    if state.lanes[lane].waiting {
                        self.invoke_next(state, lane, out);
                    }
                }
            }
            // Late, or not for scripts.
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Request(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => {}
        }
    }

    /// Whether everything was invoked and has ended.
    pub fn is_finished(&self, state: &ScriptState) -> bool {
        let mut lanes = self.lanes.iter().zip(&state.lanes);
        lanes.all(|(ops, lane)| !lane.waiting && lane.invoked == ops.len())
    }

    pub(super) fn is_waiting_for(&self, state: &ScriptState, id: &OpId) -> bool {
        let lane = state.lanes.get(id.lane as usize);
        id.incarnation == state.incarnation
            && lane.is_some_and(|lane| lane.waiting && lane.seq == id.seq)
    }

    /// The lane that waits for an answer to this ticket.
    pub(super) fn awaits(&self, state: &ScriptState, ticket: u64) -> Option<usize> {
        let number = (ticket >> 32) as usize;
        let lane = state.lanes.get(number)?;
        let op = self.lanes[number].get(lane.invoked.checked_sub(1)?); // as many as the script has
        let is_listing = self.lists.is_some() && op.is_some_and(|(_, op)| op.is_read());
        (is_listing && lane.waiting && ticket == Self::ticket(number, lane)).then_some(number)
    }

    /// Of the operation that was invoked last in a lane.
    fn ticket(number: usize, lane: &ScriptLane) -> u64 {
        (number as u64) << 32 | lane.invoked as u64
    }

    fn invoke_next<S: Store<Key, Row>, M: Mechanisms>(
        &self,
        state: &mut ScriptState,
        number: usize,
        out: &mut Out<ChainActor<S, M>>,
    ) {
        let incarnation = state.incarnation;
        let lane = &mut state.lanes[number]; // as many as the script has
        let next = self.lanes[number].get(lane.invoked).cloned();
        lane.waiting = next.is_some();
        if let Some((key, op)) = next {
            lane.invoked += 1;
            lane.seq += 1;
            if let Some((replicas, limit)) = self.lists.as_ref().filter(|_| op.is_read()) {
                let (ticket, limit) = (Self::ticket(number, lane), *limit);
                return out.broadcast(replicas, &Msg::Scan(Scan { ticket, after: None, limit }));
            }
            let (gateway, seq) = (self.gateway, lane.seq);
            let id = OpId { gateway, incarnation, lane: number as u32, seq };
            let reads = self.reads;
            out.send(self.gateway, Msg::Invoke(Invoke { id, key, op, reads }));
        }
    }
}
