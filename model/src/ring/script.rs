//! A scripted client: the model's stand-in for a front door.

use super::{Key, Msg, RingActor, Row};
use crate::kv::{self, Op, OpId};
use crate::mechanism::Mechanisms;
use crate::ring::msg::{Invoke, Opened, Return};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;

/// Invokes operations one after the other, through one lane of one gateway, each when the one
/// before it has ended. It does not crash; when its gateway does, it gives up what was under way
/// and goes on.
#[derive(Clone, Debug)]
pub struct Script {
    /// Through which gateway.
    pub gateway: Id,
    /// Which lane of it.
    pub lane: u32,
    /// What to do, in order.
    pub ops: Vec<(kv::Key, Op)>,
}

/// How far a script is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ScriptState {
    /// The gateway's start that this script knows of. Gateways of a model begin with 1.
    pub incarnation: u32,
    /// How many operations were invoked.
    pub invoked: usize,
    /// How many of them since that start: the `seq` of the last one.
    pub seq: u64,
    /// Whether the last one of these is under way.
    pub waiting: bool,
}

impl Script {
    pub(super) fn on_start<S: Store<Key, Row>, M: Mechanisms>(
        &self,
        out: &mut Out<RingActor<S, M>>,
    ) -> ScriptState {
        let mut state = ScriptState { incarnation: 1, invoked: 0, seq: 0, waiting: false };
        self.invoke_next(&mut state, out);
        state
    }

    pub(super) fn on_msg<S: Store<Key, Row>, M: Mechanisms>(
        &self,
        state: &mut Cow<'_, ScriptState>,
        msg: Msg,
        out: &mut Out<RingActor<S, M>>,
    ) {
        match msg {
            Msg::Return(Return { id, .. }) if self.is_waiting_for(state, &id) => {
                self.invoke_next(state.to_mut(), out);
            }
            Msg::Opened(Opened { incarnation }) if incarnation > state.incarnation => {
                let state = state.to_mut();
                (state.incarnation, state.seq) = (incarnation, 0);
                if state.waiting {
                    self.invoke_next(state, out);
                }
            }
            // Late, or not for scripts.
            Msg::Opened(_)
            | Msg::Invoke(_)
            | Msg::Return(_)
            | Msg::Read(_)
            | Msg::Vote(_)
            | Msg::Prepare(_)
            | Msg::Promise(_)
            | Msg::Accept(_)
            | Msg::Accepted(_)
            | Msg::Refuse(_)
            | Msg::Sweep(_)
            | Msg::Held(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Belong(_)
            | Msg::Views(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Compared(_)
            | Msg::Want(_)
            | Msg::Copies(_)
            | Msg::Behind(_) => {}
        }
    }

    /// Whether everything was invoked and has ended.
    pub fn is_finished(&self, state: &ScriptState) -> bool {
        !state.waiting && state.invoked == self.ops.len()
    }

    pub(super) fn is_waiting_for(&self, state: &ScriptState, id: &OpId) -> bool {
        state.waiting && id.incarnation == state.incarnation && id.seq == state.seq
    }

    fn invoke_next<S: Store<Key, Row>, M: Mechanisms>(
        &self,
        state: &mut ScriptState,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let next = self.ops.get(state.invoked).cloned();
        state.waiting = next.is_some();
        if let Some((key, op)) = next {
            state.invoked += 1;
            state.seq += 1;
            let id = OpId {
                gateway: self.gateway,
                incarnation: state.incarnation,
                lane: self.lane,
                seq: state.seq,
            };
            out.send(self.gateway, Msg::Invoke(Invoke { id, key, op }));
        }
    }
}
