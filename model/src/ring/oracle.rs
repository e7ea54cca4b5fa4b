//! The oracle: a stand-in for the coordinators, in models.
//!
//! It decides views in one place and never fails, so that models of the ring need not contain a
//! consensus as well. When it decides, and what, is arbitrary within its plan: a suspicion may be
//! wrong at any time. What it guarantees is what the coordinators guarantee: one view an epoch,
//! permitted successions only, a new ring alone only when every newcomer of that very epoch has
//! reported.

use super::node::install;
use super::{Key, Msg, Report, Ring, RingActor, Row, Timer, View};
use crate::coordinator;
use crate::coordinator::msg::Ask;
use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::store::Store;
use stateright::actor::{Id, Out, model_timeout};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Decides views. Its state is an [`OracleState`].
#[derive(Clone, Debug)]
pub struct Oracle<M = Intact> {
    /// The view that everyone begins with.
    pub view: View,
    /// The rings, old and new, of views that it may decide, in this order; it may leave some out.
    pub plan: Vec<(Ring, Ring)>,
    /// The actors that it tells: nodes and gateways.
    pub told: Vec<Id>,
    /// Which mechanisms it has.
    pub mechanisms: M,
}

/// What an oracle knows.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct OracleState {
    /// The newest view.
    pub view: View,
    /// How much of the plan is over.
    pub planned: usize,
    /// The nodes that have fetched all they must in the newest view.
    pub reported: BTreeSet<Id>,
}

impl<M: Mechanisms> Oracle<M> {
    pub(super) fn on_start<S: Store<Key, Row>>(
        &self,
        out: &mut Out<RingActor<S, M>>,
    ) -> OracleState {
        let view = self.view.clone();
        let state = OracleState { view, planned: 0, reported: BTreeSet::new() };
        self.set_timers(&state, out);
        state
    }

    pub(super) fn on_msg<S: Store<Key, Row>>(
        &self,
        state: &mut Cow<'_, OracleState>,
        src: Id,
        msg: Msg,
        out: &mut Out<RingActor<S, M>>,
    ) {
        match msg {
            Msg::Views(coordinator::Msg::Report(Report::Stabilized { epoch }))
                if epoch == state.view.epoch
                    && !state.reported.contains(&src)
                    && state.view.newcomers().contains(&src) =>
            {
                state.to_mut().reported.insert(src);
                self.set_timers(state, out);
            }
            Msg::Views(coordinator::Msg::Ask(Ask { epoch })) if epoch < state.view.epoch => {
                out.send(src, install(&state.view));
            }
            // Late, or not for oracles.
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

    pub(super) fn on_timeout<S: Store<Key, Row>>(
        &self,
        state: &mut Cow<'_, OracleState>,
        timer: &Timer,
        out: &mut Out<RingActor<S, M>>,
    ) {
        let Timer::Decide(place) = timer else { return };
        let place = usize::from(*place);
        let Some(view) = self.permitted(state, place) else { return };
        let state = state.to_mut();
        *state = OracleState { view, planned: place + 1, reported: BTreeSet::new() };
        out.broadcast(&self.told, &install(&state.view));
        for over in 0..=place {
            out.cancel_timer(Timer::Decide(over as u8));
        }
        self.set_timers(state, out);
    }

    /// The view at this place of the plan, if it may be decided now.
    fn permitted(&self, state: &OracleState, place: usize) -> Option<View> {
        if place < state.planned {
            return None;
        }
        let (old, new) = self.plan.get(place)?.clone();
        let view =
            View::joint(state.view.epoch + 1, old, new).decided_by(state.view.coordinators.clone());
        let reported = state.view.newcomers().is_subset(&state.reported)
            || self.mechanisms.lacks(Mechanism::ReportsAwaited);
        view.may_follow(&state.view, reported, false).then_some(view)
    }

    /// One timer for each view that may be decided now: any of them may fire at any moment.
    fn set_timers<S: Store<Key, Row>>(&self, state: &OracleState, out: &mut Out<RingActor<S, M>>) {
        for place in 0..self.plan.len() {
            if self.permitted(state, place).is_some() {
                out.set_timer(Timer::Decide(place as u8), model_timeout());
            } else {
                out.cancel_timer(Timer::Decide(place as u8));
            }
        }
    }
}
