//! Seldom, and in parts, two members compare their tables.

use super::{Entry, Key, Member, PART, Part, Row, Say, Status, Timer, table};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::membership::msg::{Compare, Rows, Same, Tell};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::collections::BTreeMap;

/// How far a member is with comparing tables.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Exchange {
    /// Which member it last compared tables with.
    pub partner: Id,
    /// Which of the dead it last compared tables with.
    pub dead: Id,
    /// Whether it is the turn of the dead.
    pub is_of_the_dead: bool,
    /// Where the next part begins; of one that is joining, how far it has been answered.
    pub from: Id,
    /// Whether it has not been through a whole table yet, since it started.
    pub is_joining: bool,
}

impl<S: Store<Key, Row>, M: Mechanisms> Member<S, M> {
    /// Another member compares a part of its table with this one's.
    pub(super) fn on_compare(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        Compare { start, from, until, digest }: Compare,
        out: &mut Out<Self>,
    ) {
        let (rows, end) = state.table.part(from, until, PART);
        let is_same = end == until && table::digest(&rows) == digest;
        let say = if is_same {
            Say::Same(Same { start, until })
        } else {
            Say::Rows(Rows { start, from, until: end, rows })
        };
        self.say(id, state, src, say, out);
    }

    /// Another table is the same, up to there.
    pub(super) fn on_same(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        same: Same,
        out: &mut Out<Self>,
    ) {
        self.go_on(id, state, src, same, out);
    }

    /// Another table is not the same; its rows have been learnt.
    pub(super) fn on_rows(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        Rows { start, from, until, rows }: Rows,
        out: &mut Out<Self>,
    ) {
        if start != state.start {
            return; // of an earlier life
        }
        let shown: BTreeMap<Id, Entry> = rows.iter().map(|row| (row.member, row.entry)).collect();
        let (mut lacking, _) = state.table.part(from, until, 2 * PART);
        lacking.retain(|row| {
            shown.get(&row.member).is_none_or(|shown| shown.version() < row.entry.version())
        });
        lacking.truncate(PART);
        if !lacking.is_empty() {
            self.say(id, state, src, Say::Tell(Tell { rows: lacking }), out);
        }
        self.go_on(id, state, src, Same { start, until }, out);
    }

    /// It is time to compare the next part of the table with another member's.
    pub(super) fn on_exchange(&self, id: Id, state: &mut Part<'_, S>, out: &mut Out<Self>) {
        let Exchange { is_joining, .. } = state.exchange;
        let pause = if is_joining { &self.timeouts.join } else { &self.timeouts.exchange };
        out.set_timer(Timer::Exchange, pause.clone());
        let Some(partner) = self.next_partner(id, state) else { return };
        let until = self.compare(id, state, partner, state.exchange.from, out);
        if !is_joining {
            state.to_mut().exchange.from = until.unwrap_or_default();
        }
    }

    /// A member that has just started goes on at once to the next part, until it has been through
    /// the whole table. If no answer comes, the timer goes on from there, with another member.
    fn go_on(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        src: Id,
        Same { start, until }: Same,
        out: &mut Out<Self>,
    ) {
        let Exchange { from, is_joining, .. } = state.exchange;
        if start != state.start || !is_joining || until.is_some_and(|next| next <= from) {
            return;
        }
        state.to_mut().exchange.from = until.unwrap_or_default();
        match until {
            Some(next) => {
                self.compare(id, state, src, next, out);
            }
            None => state.to_mut().exchange.is_joining = false,
        }
    }

    /// Sends the bounds and the digest of the part that begins there. Returns where it ends.
    fn compare(
        &self,
        id: Id,
        state: &mut Part<'_, S>,
        dst: Id,
        from: Id,
        out: &mut Out<Self>,
    ) -> Option<Id> {
        let (rows, until) = state.table.part(from, None, PART);
        let (start, digest) = (state.start, table::digest(&rows));
        self.say(id, state, dst, Say::Compare(Compare { start, from, until, digest }), out);
        until
    }

    /// Which member to compare tables with: the next one around the table, of those alive and of
    /// the dead in turns.
    fn next_partner(&self, id: Id, state: &mut Part<'_, S>) -> Option<Id> {
        let Exchange { partner, dead, is_of_the_dead, .. } = state.exchange;
        let next = |after, status_fits: fn(Status) -> bool| {
            let fits = |(member, entry): &(Id, &Entry)| *member != id && status_fits(entry.status);
            state.table.from(after).find(fits).map(|(member, _)| member)
        };
        let seeks_dead = self.mechanisms.has(Mechanism::DeadSought);
        let of_dead = next(dead, |status| status == Status::Dead).filter(|_| seeks_dead);
        let of_alive = next(partner, |status| !status.is_gone());
        let (next, is_dead) = match (of_alive, of_dead) {
            (_, Some(next)) if is_of_the_dead => (next, true),
            (Some(next), _) => (next, false),
            (None, Some(next)) => (next, true),
            (None, None) => return None,
        };
        let exchange = &mut state.to_mut().exchange;
        *(if is_dead { &mut exchange.dead } else { &mut exchange.partner }) = next;
        exchange.is_of_the_dead = !is_dead && of_dead.is_some();
        Some(next)
    }
}
