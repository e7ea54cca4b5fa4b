//! What a member hears of others, believes, and passes on: news, suspicions, refutations.

use super::{
    Entry, Key, MOST_MEMBERS, Member, MemberState, Msg, NEWS, Part, Row, Rumour, Status, Timer,
};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::membership::msg::Report;
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::collections::BTreeSet;
use std::ops::Range;

/// How many find the same before a suspicion is as short as it gets, the first one not counted.
pub(super) const CONFIRMATIONS: usize = 3;

/// A suspicion.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Suspicion {
    /// For how many periods it has lasted.
    pub periods: u32,
    /// The members that found so. Invariant: no more than count.
    pub by: BTreeSet<Id>,
}

impl<S: Store<Key, Row>, M: Mechanisms> Member<S, M> {
    /// Takes what is new of this. Returns whether it had to refute something.
    pub(super) fn learn(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        rumours: &[Rumour],
        out: &mut Out<Self>,
    ) -> bool {
        let (mut refuted, mut stored, mut gone) = (false, false, false);
        for rumour in rumours {
            if !self.is_news(id, state, rumour) {
                continue;
            }
            let state = state.to_mut();
            if rumour.member == id {
                refuted |= self.refute(id, state, rumour);
                stored |= refuted && self.mechanisms.has(Mechanism::RefutationSaved);
                continue;
            }
            let before = state.table.get(rumour.member).copied();
            let buried = rumour.entry.status.is_gone();
            gone |= buried != before.is_some_and(|before| before.status.is_gone());
            stored |= before.map(Entry::settled) != Some(rumour.entry.settled());
            state.take(rumour);
            if buried && self.mechanisms.lacks(Mechanism::TombstonesOfMembers) {
                state.forget(rumour.member);
            }
        }
        if stored {
            out.save(state.store.clone());
        }
        if gone {
            self.report(state, out);
        }
        refuted
    }

    /// Whether a row changes anything here.
    fn is_news(&self, id: Id, state: &MemberState<S>, Rumour { member, entry }: &Rumour) -> bool {
        let Some(known) = state.table.get(*member) else {
            let has_room = state.table.len() < MOST_MEMBERS;
            return has_room
                && (self.mechanisms.has(Mechanism::TombstonesOfMembers)
                    || !entry.status.is_gone());
        };
        let is_newer = entry.version() > known.version();
        if *member == id {
            return is_newer && self.mechanisms.has(Mechanism::Refutation);
        }
        if self.mechanisms.lacks(Mechanism::NewerRowsOnly) {
            return entry != known;
        }
        let is_confirmed = |by| match state.suspicions.get(member) {
            Some(suspicion) => suspicion.by.len() <= CONFIRMATIONS && !suspicion.by.contains(by),
            None => false,
        };
        is_newer
            || entry.version() == known.version()
                && matches!(&entry.status, Status::Suspect { by } if is_confirmed(by))
    }

    /// Another member says worse of this one than it knows: from now on it lives in the incarnation
    /// after that.
    fn refute(&self, id: Id, state: &mut MemberState<S>, rumour: &Rumour) -> bool {
        let (Some(own), Some(incarnation)) =
            (state.table.get(id).copied(), rumour.entry.incarnation.checked_add(1))
        else {
            return false; // there are no more lives, so the sender lies
        };
        state.table.insert(id, Entry { incarnation, ..own });
        if self.mechanisms.has(Mechanism::RefutationSaved) {
            state.store.put(Key::Own, Row::Own { incarnation });
        }
        true
    }

    /// A period of each suspicion is over. Returns those that have lasted as deaths.
    pub(super) fn count_down(&self, state: &mut MemberState<S>) -> Vec<Rumour> {
        if state.suspicions.is_empty() {
            return Vec::new();
        }
        let (count, alive) = (logarithm(state.table.len()), state.table.alive().count());
        for suspicion in state.suspicions.values_mut() {
            suspicion.periods = suspicion.periods.saturating_add(1);
        }
        let over = state.suspicions.iter().filter(|(_, suspicion)| {
            suspicion.periods >= self.patience(count, alive, suspicion.by.len())
        });
        let dead = over.filter_map(|(member, _)| {
            let entry = *state.table.get(*member)?;
            Some(Rumour { member: *member, entry: Entry { status: Status::Dead, ..entry } })
        });
        dead.collect()
    }

    /// How many periods a suspicion lasts that so many have found right: the largest at first, and
    /// the smallest when as many as could be asked for confirm it, by the logarithm of their
    /// number.
    pub(super) fn patience(&self, logarithm: u32, alive: usize, by: usize) -> u32 {
        /// In percent, by how many could confirm and how many did.
        const SHARES: [&[u32]; CONFIRMATIONS + 1] =
            [&[100], &[0, 100], &[0, 63, 100], &[0, 50, 79, 100]];
        let Range { start, end } = self.timeouts.suspicion;
        let (least, most) = ((start * logarithm).max(1), (end * logarithm).max(1));
        // The suspect and the first to find out cannot confirm. Where no member can, there
        // is nothing to wait for.
        let shares = SHARES[alive.saturating_sub(2).min(CONFIRMATIONS)];
        let share = shares[by.saturating_sub(1).min(shares.len() - 1)];
        most - most.saturating_sub(least) * share / 100
    }

    /// Tells the coordinator which nodes are gone, and again after a while if any is.
    pub(super) fn report(&self, state: &MemberState<S>, out: &mut Out<Self>) {
        let Some(coordinator) = self.coordinator else { return };
        let gone = state.table.gone();
        if gone.is_empty() {
            out.cancel_timer(Timer::Report);
        } else {
            out.set_timer(Timer::Report, self.timeouts.report.clone());
        }
        out.send(coordinator, Msg::Report(Report { gone }));
    }
}

impl<S: Store<Key, Row>> MemberState<S> {
    /// Puts a row on the table, and spreads it.
    fn take(&mut self, Rumour { member, entry }: &Rumour) {
        let before = self.table.get(*member).copied();
        if let Status::Suspect { by } = entry.status {
            let fresh = before.is_none_or(|before| before.version() != entry.version());
            let suspicion = self.suspicions.entry(*member);
            let suspicion =
                suspicion.or_insert_with(|| Suspicion { periods: 0, by: BTreeSet::new() });
            if fresh {
                *suspicion = Suspicion { periods: 0, by: BTreeSet::new() };
            }
            suspicion.by.insert(by);
        } else {
            self.suspicions.remove(member);
        }
        if before.map(Entry::settled) != Some(entry.settled()) {
            self.store.put(Key::Member(*member), Row::Member(entry.settled()));
        }
        self.table.insert(*member, *entry);
        self.rumours.insert(*member, 0);
    }

    /// Drops a row, which intact members never do.
    fn forget(&mut self, member: Id) {
        self.store.delete(&Key::Member(member));
        self.table.remove(member);
        self.rumours.remove(&member);
    }

    /// The news that were told least, told once more now; what was told often enough is no news.
    pub(super) fn tell(&mut self, dst: Id, enough: u32) -> Vec<Rumour> {
        let others = self.rumours.iter().filter(|(member, _)| **member != dst);
        let mut least: Vec<_> = others.map(|(member, told)| (*told, *member)).collect();
        if NEWS < least.len() {
            least.select_nth_unstable(NEWS);
            least.truncate(NEWS);
        }
        least.sort_unstable();
        for (told, member) in &least {
            if told + 1 < enough {
                self.rumours.insert(*member, told + 1);
            } else {
                self.rumours.remove(member);
            }
        }
        let row = |member| Some(Rumour { member, entry: *self.table.get(member)? });
        least.into_iter().filter_map(|(_, member)| row(member)).collect()
    }
}

/// The logarithm to the base of 2 of a number of members, rounded up; at least 1.
pub(super) fn logarithm(members: usize) -> u32 {
    (usize::BITS - members.leading_zeros()).max(1)
}
