//! How a ring's keys are listed: everyone is asked, and a quorum of each key's replicas has to
//! answer.
//!
//! A page is a stretch of the circle. All members of the view are asked at once for their registers
//! behind the page's beginning, each for about its share of a page. The page ends where the first
//! of those that have answered ends, and is complete when every range in it has answers of a
//! quorum, in a joint view of its old and of its new replicas: so one of three may be away, and is
//! not waited for. Of each key the highest ballot says whether it is there. What that is worth is
//! said in the model, in `ring/node/list.rs`.

use crate::board::ActorStatus;
use crate::gateway::door::Enquiry;
use crate::operate::Context;
use crate::protocol::{RingPage as Page, RingProtocol};
use crate::resp::{Position, ScanPage};
use chainring_model::kv::Key;
use chainring_model::ring::msg::Scan;
use chainring_model::ring::place::position;
use chainring_model::ring::{Ballot, Listed, Msg, View};
use stateright::actor::Id;
use std::collections::BTreeMap;

/// The most keys on a page.
const PAGE: usize = 1000;

/// How many registers a node is asked for beyond its share: keys are not spread that evenly.
const SPARE: usize = 8;

/// A place on the circle: a position, and one of the keys there.
type At = (u64, Key);

/// A page of keys behind one of them.
pub(super) async fn list(
    node: &Context<RingProtocol>,
    from: Position,
    limit: usize,
) -> Option<ScanPage> {
    let (door, gateway) = (node.doors.first()?, node.gateway(0)?);
    let after = from.after.map(|key| (position(&key), key));
    let limit = limit.clamp(1, PAGE);
    let merge = Merge { gateway, after, limit, view: None, answers: BTreeMap::new() };
    let (keys, end) = door.enquire(merge).await?;
    let next = end.map(|key| Position { part: 0, after: Some(key) });
    Some(ScanPage { keys, next })
}

/// How many keys there are: it takes a walk through all of them, page by page.
pub(super) async fn size(node: &Context<RingProtocol>) -> Option<u64> {
    let (mut size, mut from) = (0, Position::default());
    loop {
        let page = list(node, from, PAGE).await?;
        size += page.keys.len() as u64;
        match page.next {
            Some(next) => from = next,
            None => return Some(size),
        }
    }
}

/// A page under way.
struct Merge<'a> {
    gateway: &'a ActorStatus<RingProtocol>,
    after: Option<At>,
    limit: usize,
    /// The view in which everyone was asked.
    view: Option<View>,
    /// Invariant: of that view's epoch, and of members of its rings.
    answers: BTreeMap<Id, Page>,
}

impl Enquiry<RingProtocol> for Merge<'_> {
    /// The keys, and the one behind which the next page begins.
    type Answer = (Vec<Key>, Option<Key>);

    fn ask(&mut self, ticket: u64) -> Vec<(Id, Msg)> {
        let Some(view) = self.gateway.view() else { return Vec::new() };
        if self.view.as_ref().is_none_or(|asked| asked.epoch != view.epoch) {
            self.answers.clear();
        }
        let members = view.members();
        let holders = view.old.members().len().max(1);
        let share = (self.limit * usize::from(view.old.replicas)).div_ceil(holders);
        let limit = (share + SPARE) as u32; // a page's, at most
        let (epoch, after) = (view.epoch, &self.after);
        let missing = members.into_iter().filter(|id| !self.answers.contains_key(id));
        let asked = missing.map(|id| {
            let after = after.clone();
            (id, Msg::Scan(Scan { epoch, ticket, after, limit }))
        });
        let asked = asked.collect();
        self.view = Some(view);
        asked
    }

    fn take(&mut self, src: Id, page: Page) -> Option<Self::Answer> {
        let view = self.view.as_ref()?;
        if page.epoch != view.epoch || !view.members().contains(&src) {
            return None;
        }
        self.answers.insert(src, page);
        merge(view, self.after.as_ref(), &self.answers, self.limit)
    }
}

/// What the answers come to, if they are enough.
fn merge(
    view: &View,
    after: Option<&At>,
    answers: &BTreeMap<Id, Page>,
    limit: usize,
) -> Option<(Vec<Key>, Option<Key>)> {
    let end = answers.values().filter_map(|page| page.upto.as_ref()).min();
    let is_covered = view.spans().into_iter().all(|span| {
        after.is_some_and(|(at, _)| span.upto < *at)
            || end.is_some_and(|(at, _)| span.from > *at)
            || view.is_quorum(span.upto, |id| answers.contains_key(&id))
    });
    if !is_covered {
        return None;
    }
    let mut newest: BTreeMap<At, (Ballot, bool)> = BTreeMap::new();
    for (id, page) in answers {
        for Listed { key, accepted, is_live } in &page.rows {
            let place = (position(key), key.clone());
            let is_past = end.is_some_and(|end| place > *end);
            if is_past || !view.old_replicas(place.0).contains(id) {
                continue;
            }
            let row = newest.entry(place).or_default();
            *row = (*row).max((*accepted, *is_live));
        }
    }
    let live = newest.into_iter().filter(|(_, (_, is_live))| *is_live);
    let mut keys: Vec<_> = live.map(|((_, key), _)| key).collect();
    let end = end.map(|(_, key)| key.clone());
    if keys.len() <= limit {
        return Some((keys, end));
    }
    keys.truncate(limit);
    let last = keys.last().cloned();
    Some((keys, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainring_model::ring::Ring;
    use std::collections::BTreeSet;

    fn ballot(n: u64) -> Ballot {
        Ballot { epoch: 1, n, gateway: Id::from(50), incarnation: 1 }
    }

    /// What a node of this view says that holds these keys with these ballots; deleted ones have
    /// odd ones.
    fn page(
        view: &View,
        id: Id,
        held: &BTreeMap<At, u64>,
        after: Option<&At>,
        limit: usize,
    ) -> Page {
        let own = held.iter().filter(|((at, _), _)| view.old_replicas(*at).contains(&id));
        let mut rest = own.filter(|(at, _)| after.is_none_or(|after| *at > after)).peekable();
        let (mut rows, mut upto) = (Vec::new(), None);
        while let Some((at, n)) = rest.next() {
            rows.push(Listed { key: at.1.clone(), accepted: ballot(*n), is_live: n % 2 == 0 });
            if rows.len() == limit {
                upto = rest.peek().is_some().then(|| at.clone());
                break;
            }
        }
        Page { epoch: 1, rows, upto }
    }

    #[test]
    fn every_live_key_is_listed_once_with_any_one_node_away_and_behind() {
        let ids = || (0..7).map(Id::from);
        let view = View::stable(1, Ring::with(ids(), 8, 3));
        let keys = (0..500).map(|n| Key::from(format!("key:{n}").as_str()));
        let newest: BTreeMap<At, u64> =
            keys.enumerate().map(|(n, key)| ((position(&key), key), 2 + n as u64 % 4)).collect();
        // One node has missed the last writes, and still holds what was deleted.
        let older: BTreeMap<At, u64> = newest.keys().map(|at| (at.clone(), 0)).collect();
        let there: BTreeSet<&Key> =
            newest.iter().filter(|(_, n)| **n % 2 == 0).map(|((_, key), _)| key).collect();
        for away in ids() {
            let behind = Id::from((usize::from(away) + 1) % 7);
            let (mut after, mut listed) = (None, Vec::new());
            assert_eq!(merge(&view, None, &BTreeMap::new(), 30), None, "nobody has answered");
            loop {
                let mut answers = BTreeMap::new();
                for id in ids().filter(|id| *id != away && *id != behind) {
                    answers.insert(id, page(&view, id, &newest, after.as_ref(), 20));
                }
                answers.insert(behind, page(&view, behind, &older, after.as_ref(), 20));
                let merged = merge(&view, after.as_ref(), &answers, 30);
                let (keys, next) = merged.expect("one may be away");
                assert!(keys.len() <= 30);
                listed.extend(keys);
                match next {
                    Some(key) => after = Some((position(&key), key)),
                    None => break,
                }
            }
            // Where the one behind is one of only two that answer, what they tell is a majority all
            // the same.
            assert_eq!(listed.len(), there.len(), "each once");
            assert_eq!(listed.iter().collect::<BTreeSet<_>>(), there);
        }
    }

    /// A ring of three has gone on to three others, which have taken a write, and neither the
    /// client nor the old ones have heard of it: what these tell is no page.
    #[test]
    fn old_replicas_that_have_not_heard_of_the_next_ring_are_not_enough() {
        let ring = |ids: std::ops::Range<usize>| Ring::with(ids.map(Id::from), 8, 3);
        let view = View::joint(1, ring(0..3), ring(3..6));
        let nothing = BTreeMap::new();
        let answer = |id: usize| (Id::from(id), page(&view, Id::from(id), &nothing, None, 20));
        let merged =
            |ids: &[usize]| merge(&view, None, &ids.iter().map(|id| answer(*id)).collect(), 30);
        assert_eq!(merged(&[0, 1, 2]), None, "they may be behind");
        assert_eq!(merged(&[0, 3, 4, 5]), None, "one of the old ones may be behind");
        assert_eq!(merged(&[0, 1, 3]), None, "one of the new ones may be the only one behind");
        assert_eq!(merged(&[0, 1, 3, 4]), Some((Vec::new(), None)));
    }
}
