//! Which view a coordinator would have next: which members it suspects, and what was reported to
//! it.

use super::{Coordinator, Key, Msg, Row, StateOf, Timeouts, Timer, View};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

/// How many heartbeats of each member come in time before a coordinator doubts its suspicions less.
pub(super) const CALM: usize = 100;

/// How far a coordinator doubts its own suspicions. All of it is volatile, and nothing where
/// [`Timeouts::doublings`] is 0, as in models: there silence has no length.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Doubt {
    /// How often the silence after which it suspects is doubled.
    pub level: u32,
    /// How many heartbeats it has heard since the last false suspicion, or since the level fell.
    pub calm: u32,
    /// How many suspicions were false since it started: a member that was suspected, or left out,
    /// was alive all the time.
    pub wrong: u64,
    /// The members that were left out, each in the start in which it was heard last.
    pub left_out: BTreeMap<Id, u32>,
}

impl<V: View, S: Store<Key, Row<V>>, M: Mechanisms> Coordinator<V, S, M> {
    /// A member says something that bears on the next view. The first coordinator acts at once.
    pub(super) fn on_report(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        report: V::Report,
        out: &mut Out<Self>,
    ) {
        if state.reports.get(&src) == Some(&report)
            || !state.decided.heeds(src, &report) && self.mechanisms.has(Mechanism::ReportsHeeded)
        {
            return;
        }
        let state = state.to_mut();
        let is_urgent = V::is_urgent(&report);
        if let Some((_, pause @ 1..)) = state.failed.get_mut(&src).filter(|_| !is_urgent) {
            *pause -= 1;
            return;
        }
        state.reports.insert(src, report);
        self.watch(id, state, out);
        if is_urgent && self.wishes(state).is_none() {
            state.reports.remove(&src); // it does not wait for its time
        } else if is_urgent || state.decided.coordinators().first() == Some(&id) {
            self.propose(id, state, out);
        } else if self.wishes(state).is_some() {
            out.set_timer(Timer::Drive, self.timeouts.drive.clone());
        }
    }

    /// Parts of the data may have lost their majority, or have one again.
    pub(super) fn watch(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
        let Some(after) = self.timeouts.give_up else { return };
        let is_unserved = state.decided.unserved(&state.reports).is_some();
        if is_unserved == state.unserved {
            return;
        }
        state.unserved = is_unserved;
        if is_unserved {
            return out.set_timer(Timer::GiveUp, after..after);
        }
        out.cancel_timer(Timer::GiveUp);
        if let Some(report) = state.decided.would_give_up(BTreeSet::new(), false) {
            state.reports.remove(&id);
            self.broadcast(id, &state.decided, Msg::Report(report), out);
        }
    }

    /// They have had none for long: it says to all coordinators, and to itself, which nodes it
    /// would give up; again and again.
    pub(super) fn give_up(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
        let alone = self.mechanisms.lacks(Mechanism::GiveUpByMajority);
        let lost = state.decided.unserved(&state.reports);
        let report = lost.and_then(|lost| state.decided.would_give_up(lost, alone));
        let Some(report) = report else { return };
        state.reports.insert(id, report.clone());
        self.broadcast(id, &state.decided, Msg::Report(report), out);
        out.set_timer(Timer::GiveUp, self.timeouts.drive.clone());
        self.propose(id, state, out);
    }

    /// A newcomer that is dropped has to wait longer each time; one that became a
    /// member is trusted again.
    pub(super) fn note_failed(&self, state: &mut StateOf<V, S>, view: &V) {
        let (members, learners) = (view.members(), view.on_probation());
        state.failed.retain(|id, _| !members.contains(id) || learners.contains(id));
        for learner in state.decided.on_probation() {
            if !members.contains(&learner) && self.timeouts.pause > 0 {
                let (times, pause) = state.failed.entry(learner).or_default();
                *pause = self.timeouts.pause << (*times).min(6);
                *times = times.saturating_add(1);
            }
        }
    }

    /// How long a member may be silent. One that is none yet is given long as it is, and others
    /// wait behind it.
    pub(super) fn suspect(&self, view: &V, id: Id, member: Id, doubt: u32) -> Range<Duration> {
        let is_newcomer = !view.leased().contains(&member);
        let Timeouts { suspect, suspect_newcomer, .. } = &self.timeouts;
        let (silence, doublings) =
            if is_newcomer { (suspect_newcomer, doubt.min(1)) } else { (suspect, doubt) };
        let factor = 1 << doublings.min(16);
        self.in_turn(view, id, &(silence.start * factor..silence.end * factor))
    }

    /// How long to wait for more suspicions, and for suspects that are heard again. Where most are
    /// suspected at once, it is likely that this coordinator was late itself, or its machine.
    pub(super) fn gathering(&self, state: &StateOf<V, S>) -> Range<Duration> {
        let Timeouts { gather, suspect, .. } = &self.timeouts;
        let most = state.suspects.len() * 2 > state.decided.watched().len();
        if most { suspect.clone() } else { *gather..*gather }
    }

    /// A suspicion was false: the next one takes longer.
    pub(super) fn doubt(&self, state: &mut StateOf<V, S>) {
        if self.timeouts.doublings > 0 {
            let doubt = &mut state.doubt;
            doubt.level = (doubt.level + 1).min(self.timeouts.doublings);
            doubt.calm = 0;
            doubt.wrong += 1;
        }
    }

    /// A heartbeat came in time.
    pub(super) fn trust(&self, state: &mut StateOf<V, S>) {
        if state.doubt.level == 0 {
            return;
        }
        state.doubt.calm += 1;
        if state.doubt.calm as usize >= CALM * state.decided.watched().len() {
            (state.doubt.level, state.doubt.calm) = (state.doubt.level - 1, 0);
        }
    }

    /// A member that is left out is remembered, in the start in which it was heard: heard in the
    /// same again, it had not died.
    pub(super) fn note_left_out(&self, state: &mut StateOf<V, S>, members: &[Id]) {
        if self.timeouts.doublings > 0 {
            let (doubt, heard) = (&mut state.doubt, &state.heard);
            let left_out = heard.iter().filter(|(member, _)| !members.contains(member));
            doubt.left_out.extend(left_out.map(|(member, (boot, _))| (*member, *boot)));
        }
    }

    /// The view that this coordinator would have next.
    pub(super) fn wishes(&self, state: &StateOf<V, S>) -> Option<V> {
        let copies = if self.mechanisms.has(Mechanism::CopiesKept) { self.copies } else { 1 };
        state.decided.next_keeping(copies, &state.suspects, &state.reports)
    }

    /// Whether this coordinator may vote for a view that leaves everyone out: it hears none of
    /// them.
    pub(super) fn hears_none(&self, state: &StateOf<V, S>, view: &V) -> bool {
        let is_gone = |member: &Id| state.suspects.contains(member);
        !state.decided.abandons(view) || state.decided.leased().iter().all(is_gone)
    }

    /// Whether a proposer votes for this view when all votes of a majority are there but its own.
    pub(super) fn votes_last(&self, state: &StateOf<V, S>, view: &V) -> bool {
        !state.decided.keeps(view, self.usual) && self.mechanisms.has(Mechanism::UnusualVotedLast)
    }

    /// Whether this coordinator may vote for a view, as to how many copies it leaves.
    pub(super) fn keeps_copies(&self, state: &StateOf<V, S>, view: &V) -> bool {
        state.decided.keeps(view, self.copies)
            || self.mechanisms.lacks(Mechanism::CopiesKept)
            || self.mechanisms.lacks(Mechanism::CopiesVoted)
    }

    pub(super) fn first_heartbeat(&self, view: &V, id: Id) -> Range<Duration> {
        self.in_turn(view, id, &self.timeouts.first_heartbeat)
    }

    /// Coordinators suspect one after the other, so that one proposes and the others find it done.
    fn in_turn(&self, view: &V, id: Id, silence: &Range<Duration>) -> Range<Duration> {
        let place = view.coordinators().iter().position(|coordinator| *coordinator == id);
        let stagger = self.timeouts.stagger * place.unwrap_or(0) as u32;
        silence.start + stagger..silence.end + stagger
    }
}
