//! What a heartbeat means: its member lives, and is granted a part of a lease.

use super::{Coordinator, Key, Msg, Row, StateOf, Timer, View};
use crate::coordinator::msg::{Ask, Heartbeat, Install, Lease};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

impl<V: View, S: Store<Key, Row<V>>, M: Mechanisms> Coordinator<V, S, M> {
    /// A member lives, and wants a lease. Only a new heartbeat says so: a late one is history.
    pub(super) fn on_heartbeat(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        Heartbeat { boot, n, epoch }: Heartbeat,
        out: &mut Out<Self>,
    ) {
        if epoch < state.decided.epoch() {
            if self.mechanisms.has(Mechanism::OldHeartbeatsAnswered) {
                let view = state.decided.clone();
                out.send(src, Msg::Install(Install { view }));
            }
        } else if epoch > state.decided.epoch() {
            let epoch = state.decided.epoch();
            self.broadcast(id, &state.decided, Msg::Ask(Ask { epoch }), out);
        }
        let known = state.heard.get(&src);
        if !state.decided.members().contains(&src) || known >= Some(&(boot, n)) {
            return;
        }
        let state = state.to_mut();
        let before = state.heard.insert(src, (boot, n)).map(|(boot, _)| boot);
        let was_suspected = state.suspects.remove(&src);
        state.reports.retain(|_, report| !V::is_urgent(report)); // it is not lost
        let left_out = state.doubt.left_out.remove(&src);
        if was_suspected && before == Some(boot) || left_out == Some(boot) {
            self.doubt(state);
        } else {
            self.trust(state);
        }
        if was_suspected && self.wishes(state).is_some() {
            // What waited behind the suspicion.
            out.set_timer(Timer::Drive, self.timeouts.drive.clone());
        }
        out.set_timer(
            Timer::Suspect(src),
            self.suspect(&state.decided, id, src, state.doubt.level),
        );
        if !state.decided.leased().contains(&src)
            || state.is_against(src, self.mechanisms.has(Mechanism::VoteEndsGrants))
        {
            return;
        }
        if state.leases.insert(src, true) != Some(true)
            || self.mechanisms.has(Mechanism::GrantsTimed)
        {
            out.set_timer(Timer::Expire(src), self.grant());
        }
        out.send(src, Msg::Lease(Lease { boot, n }));
    }

    /// Long enough for a grant to end, and then for those that have voted to ask once more.
    pub(super) fn withholding(&self) -> Range<Duration> {
        let after = self.timeouts.grant + self.timeouts.drive.end;
        after..after + self.timeouts.drive.end
    }

    pub(super) fn grant(&self) -> Range<Duration> {
        self.timeouts.grant..self.timeouts.grant
    }
}

impl<V: View, S: Store<Key, Row<V>>> StateOf<V, S> {
    /// Whether none of its own grants to those that `view` leaves out may be live.
    pub(super) fn may_leave_out(&self, view: &V) -> bool {
        let mut left_out = self.decided.leased().iter().filter(|id| !view.leased().contains(id));
        left_out.all(|member| self.leases.get(member) != Some(&true))
    }

    /// Whether its newest vote, in an epoch that it does not know to be decided, leaves the member
    /// out, or a view that it is asked to vote for.
    pub(super) fn is_against(&self, member: Id, has_voted_alone: bool) -> bool {
        let without = |view: &V| !view.leased().contains(&member);
        self.withheld.as_ref().is_some_and(without)
            || has_voted_alone && self.accepted.as_ref().is_some_and(|(_, view)| without(view))
    }
}
