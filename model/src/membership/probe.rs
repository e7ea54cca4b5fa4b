//! Once a period a member asks another one whether it is alive, with the help of others.

use super::{
    Entry, Key, Member, MemberState, Number, Part, Row, Rumour, Say, Status, Timer, table,
};
use crate::mechanism::Mechanisms;
use crate::membership::msg::{Ack, Ping, Seek, Tell};
use crate::store::Store;
use stateright::actor::{Id, Out};

/// Where a member is in its order of asking.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Turn {
    /// How often all were asked.
    pub pass: u64,
    /// The place, in the order of this pass, of the member that was asked last.
    pub last: Option<(u64, Id)>,
}

/// A question under way, of the current period.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Probe {
    /// The member that is asked.
    pub target: Id,
    /// How often others were asked for it.
    pub tries: u32,
}

impl<S: Store<Key, Row>, M: Mechanisms> Member<S, M> {
    /// Another member wants to know whether this one is alive.
    pub(super) fn on_ping(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        Ping { origin, number }: Ping,
        out: &mut Out<Self>,
    ) {
        self.say(id, state, src, Say::Ack(Ack { origin, target: id, number }), out);
    }

    /// A member got no answer from another one.
    pub(super) fn on_seek(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        Seek { target, number }: Seek,
        out: &mut Out<Self>,
    ) {
        if target != id && target != src && state.table.get(target).is_some() {
            self.say(id, state, target, Say::Ping(Ping { origin: src, number }), out);
        }
    }

    /// A member is alive: this one wanted to know, or another one for which it asked.
    pub(super) fn on_ack(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        Ack { origin, target, number }: Ack,
        out: &mut Out<Self>,
    ) {
        if origin != id {
            // Only what comes from the target itself is passed on, so nothing goes round in
            // circles.
            if src == target && state.table.get(origin).is_some() {
                self.say(id, state, origin, Say::Ack(Ack { origin, target, number }), out);
            }
            return;
        }
        let asked = state.probe.is_some_and(|probe| probe.target == target);
        if asked && number == (Number { start: state.start, round: state.round }) {
            state.to_mut().probe = None;
            out.cancel_timer(Timer::Wait);
        }
    }

    /// A period is over: a member that did not answer is suspect, suspicions that have lasted are
    /// deaths, and the next one is asked.
    pub(super) fn on_probe(&self, id: Id, state: &mut Part<'_, S>, out: &mut Out<Self>) {
        out.set_timer(Timer::Probe, self.timeouts.period.clone());
        if state.table.alive().all(|member| member == id) {
            return;
        }
        let mut found = self.count_down(state.to_mut());
        if let Some(Probe { target, .. }) = state.to_mut().probe.take()
            && let Some(entry) = state.table.get(target)
            && !entry.status.is_gone()
        {
            let status = Status::Suspect { by: id };
            found.push(Rumour { member: target, entry: Entry { status, ..*entry } });
        }
        self.learn(id, state, &found, out);
        let own = state.suspicions.iter().filter(|(_, suspicion)| suspicion.by.contains(&id));
        let own: Vec<_> = own.map(|(member, _)| *member).take(self.timeouts.relays).collect();
        for suspect in own {
            self.say(id, state, suspect, Say::Tell(Tell { rows: Vec::new() }), out);
        }
        let part = state.to_mut();
        part.round = part.round.saturating_add(1);
        let Some(target) = part.next_target(id) else { return };
        part.probe = Some(Probe { target, tries: 0 });
        if self.timeouts.tries > 0 {
            out.set_timer(Timer::Wait, self.timeouts.wait.clone());
        }
        self.ping(id, state, target, out);
    }

    /// An answer should have come.
    pub(super) fn on_wait(&self, id: Id, state: &mut Part<'_, S>, out: &mut Out<Self>) {
        let Some(Probe { target, tries }) = state.probe else { return };
        if tries >= self.timeouts.tries {
            return;
        }
        let tries = tries + 1;
        state.to_mut().probe = Some(Probe { target, tries });
        if tries < self.timeouts.tries {
            out.set_timer(Timer::Wait, self.timeouts.wait.clone());
        }
        self.ping(id, state, target, out);
        let number = Number { start: state.start, round: state.round };
        for other in self.others(id, state, target, tries) {
            self.say(id, state, other, Say::Seek(Seek { target, number }), out);
        }
    }

    /// Asks a member whether it is alive.
    fn ping(&self, id: Id, state: &mut Part<'_, S>, target: Id, out: &mut Out<Self>) {
        let number = Number { start: state.start, round: state.round };
        self.say(id, state, target, Say::Ping(Ping { origin: id, number }), out);
    }

    /// Some of those alive, others for each question and each try.
    pub(super) fn others(&self, id: Id, state: &MemberState<S>, target: Id, tries: u32) -> Vec<Id> {
        let pass = state.round.wrapping_mul(16).wrapping_add(u64::from(tries));
        let others = state.table.alive().filter(|member| *member != id && *member != target);
        let mut others: Vec<_> =
            others.map(|member| (table::place(id, pass, member), member)).collect();
        let count = self.timeouts.relays.min(others.len());
        if count < others.len() {
            others.select_nth_unstable(count);
        }
        others.truncate(count);
        others.sort_unstable();
        others.into_iter().map(|(_, member)| member).collect()
    }
}

impl<S: Store<Key, Row>> MemberState<S> {
    /// The member to be asked next: in each pass all that are alive, in an order of its own.
    fn next_target(&mut self, id: Id) -> Option<Id> {
        let Turn { pass, last } = self.turn;
        let place = |pass| move |member| (table::place(id, pass, member), member);
        let others = || self.table.alive().filter(|member| *member != id);
        let next = others().map(place(pass)).filter(|place| Some(*place) > last).min();
        let (pass, next) = match next {
            Some(next) => (pass, next),
            None => {
                let pass = pass.wrapping_add(1);
                (pass, others().map(place(pass)).min()?)
            }
        };
        self.turn = Turn { pass, last: Some(next) };
        Some(next.1)
    }
}
