//! Which rings serve, and what may follow.
//!
//! A view has two rings, *stable* when both are one, else *joint*: a joint view moves from one to
//! the other, and every operation needs majorities of both (as in Ongaro & Ousterhout, "Raft", ATC
//! '14, section 6). Neighbouring views share a ring whose majorities every operation of either
//! needs, so nothing that was chosen in one is missed in the next.
//!
//! | from | to | when |
//! |---|---|---|
//! | stable(A) | joint(A, B) | a node is to go, or to come |
//! | joint(A, B) | joint(A, C) | a node of B is to go |
//! | joint(A, B) | stable(A) | what it was for has passed |
//! | joint(A, B) | stable(B) | every newcomer has reported *in that epoch* that it has fetched |
//! | any | joint(A, B) without some of A | an operator has asked for it: see below |
//!
//! That the reports are there, and that an operator has asked, is for the proposer to know; the
//! acceptors see that the form is right. A report names its epoch, and one of another epoch is
//! forgotten: a newcomer that had everything in one joint view lacks what was written in the next.
//!
//! # Which view coordinators would have next
//!
//! 1. All newcomers have reported: the new ring alone. Whatever else is wrong can be dealt with
//!    from there, and nothing that was fetched is fetched again.
//! 2. A member of the new ring is gone, or leaves: a joint view without it. *All* that are gone go
//!    at once. A range that lost one of its three goes on with the others, whether they are removed
//!    one by one or together, and a range that lost two waits for one of them in either case (it is
//!    needed for a majority of the old set); together the data moves once. Nodes that leave of
//!    their own will are alive, and removing two of a range at once would leave it with newcomers
//!    for a majority: so they go one at a time, when no node is gone.
//! 3. A node would like to join, and the view is stable: one newcomer at a time.
//!
//! **A ring never shrinks below its number of replicas**: a node that is gone then stays in it, and
//! is replaced when another one joins, in the same step. A majority of the range's members is alive
//! or nothing would be decided of use; a suspicion may be wrong; and with fewer members than
//! replicas each key would be less safe, for ever, without an operator having asked for that. Where
//! a ring is smaller from the start, leaving is still permitted down to one member, because an
//! operator asks for it; being gone is not a reason.
//!
//! A member that is gone and comes back is not brought back by that: what replaces it is under way,
//! and going back and forth with every suspicion would never end. It asks to join when it is out.
//!
//! # Reforming
//!
//! Where two of a range's three are gone, the range waits: their disks have what was acknowledged.
//! If they will never come back, an operator can give them up: a `reform` removes the nodes that
//! the operator names, of all that are gone, from the *old* ring's replica sets, too, so that a
//! majority of the survivors counts as a majority. **This gives up linearizability.** An
//! acknowledged write that only the lost ones had is lost; and while a majority of an old replica
//! set lives and has not heard, it goes on serving gateways that have not heard either.

mod policy;

use super::place::{Ring, Span, is_majority};
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::BTreeSet;

/// Two rings, during one epoch.
///
/// Invariants: there is one view an epoch; `coordinators` is the same in every view; no lost node
/// is in the new ring; of a stable view the rings are one in memory, too, so that
/// [`is_stable`](View::is_stable), which every message leads to, compares two pointers.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct View {
    /// The number of this view; grows with each.
    pub epoch: u64,
    /// The ring that has everything.
    pub old: Ring,
    /// The ring that is to have everything.
    pub new: Ring,
    /// Those of the old ring that were given up: no operation waits for them. Empty but for a
    /// reform.
    pub lost: BTreeSet<Id>,
    /// The coordinators, which decide the next view. A ring without coordinators keeps its view for
    /// ever.
    pub coordinators: Vec<Id>,
}

/// A view as it is written.
#[derive(Deserialize)]
struct Written {
    epoch: u64,
    old: Ring,
    new: Ring,
    lost: BTreeSet<Id>,
    coordinators: Vec<Id>,
}

/// What is reported to the coordinators.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Report {
    /// When a newcomer has fetched all it must.
    Stabilized {
        /// In which epoch.
        epoch: u64,
    },
    /// When a node that is in neither ring wants to be.
    Join,
    /// When a node wants to be in no ring.
    Leave,
    /// When the member that watches the others (by gossip) suspects others than before: only a
    /// suggestion.
    Members {
        /// The nodes that are gone, as far as it can tell.
        gone: BTreeSet<Id>,
    },
    /// When an operator gives up nodes that are gone: see the [module](self).
    Reform {
        /// The epoch that the operator saw.
        epoch: u64,
        /// The nodes that are given up, of those that are gone.
        lost: BTreeSet<Id>,
    },
    /// When a coordinator would give up nodes that are gone, as its node's file says, or takes that
    /// back: counts when a majority of the coordinators say so.
    GiveUp {
        /// The coordinator's epoch.
        epoch: u64,
        /// The nodes that it would give up.
        lost: BTreeSet<Id>,
    },
}

impl From<Written> for View {
    fn from(Written { epoch, old, new, lost, coordinators }: Written) -> Self {
        let new = if new == old { old.clone() } else { new };
        View { epoch, old, new, lost, coordinators }
    }
}

impl View {
    /// The view in which a ring is everything there is, without coordinators.
    pub fn stable(epoch: u64, ring: Ring) -> Self {
        View::joint(epoch, ring.clone(), ring)
    }

    /// The view that moves from one ring to another, without coordinators.
    pub fn joint(epoch: u64, old: Ring, new: Ring) -> Self {
        View { epoch, old, new, lost: BTreeSet::new(), coordinators: Vec::new() }
    }

    /// The same view, whose successors these decide.
    pub fn decided_by(mut self, coordinators: Vec<Id>) -> Self {
        self.coordinators = coordinators;
        self
    }

    /// Whether there is one ring only.
    pub fn is_stable(&self) -> bool {
        self.old == self.new && self.lost.is_empty()
    }

    /// Everyone in either ring.
    pub fn members(&self) -> BTreeSet<Id> {
        self.old.tokens.values().chain(self.new.tokens.values()).copied().collect()
    }

    /// The old replicas of what is at a position.
    pub fn old_replicas(&self, position: u64) -> Vec<Id> {
        let mut replicas = self.old.replicas(position);
        replicas.retain(|id| !self.lost.contains(id));
        replicas
    }

    /// All nodes that are asked about what is at a position.
    pub fn replicas(&self, position: u64) -> BTreeSet<Id> {
        let mut all: BTreeSet<_> = self.old_replicas(position).into_iter().collect();
        if !self.is_stable() {
            all.extend(self.new.replicas(position));
        }
        all
    }

    /// Whether the nodes for which `has` holds are a quorum for what is at a position: a majority
    /// of its old replica set *and* of its new one.
    pub fn is_quorum(&self, position: u64, has: impl Fn(Id) -> bool) -> bool {
        is_majority(&self.old_replicas(position), &has)
            && (self.is_stable() || is_majority(&self.new.replicas(position), &has))
    }

    /// Whether `id` has to fetch what is at a position before it may vote on it: it joins the
    /// replica set, or sets of unequal size meet. (Of sets of equal size, a new majority holds a
    /// newcomer, which has everything, or is a majority of the old set. Of unequal ones it need
    /// not.)
    pub fn must_fetch(&self, position: u64, id: Id) -> bool {
        if self.is_stable() {
            return false;
        }
        let (old, new) = (self.old_replicas(position), self.new.replicas(position));
        new.contains(&id) && (!old.contains(&id) || old.len() != new.len())
    }

    /// The circle, cut wherever either ring has a token: within a span, replica sets do not change.
    pub fn spans(&self) -> Vec<Span> {
        let cuts: BTreeSet<_> =
            self.old.tokens.keys().chain(self.new.tokens.keys()).copied().collect();
        let mut spans = Vec::with_capacity(cuts.len() + 1);
        let mut from = Some(0);
        for upto in cuts {
            if let Some(from) = from {
                spans.push(Span { from, upto });
            }
            from = upto.checked_add(1);
        }
        spans.extend(from.map(|from| Span { from, upto: u64::MAX }));
        spans
    }

    /// The parts of the circle that have no majority while these are gone.
    pub fn without_majority(&self, gone: &BTreeSet<Id>) -> Vec<Span> {
        let lives = |id: Id| !gone.contains(&id);
        let mut spans = self.spans();
        spans.retain(|span| !self.is_quorum(span.upto, lives));
        spans
    }

    /// What `id` has to fetch: spans that meet and have the same replica sets are one.
    pub fn fetches(&self, id: Id) -> Vec<Span> {
        if self.is_stable() || !self.new.has(id) {
            return Vec::new();
        }
        let sets = |span: &Span| {
            let set = |replicas: Vec<Id>| replicas.into_iter().collect::<BTreeSet<_>>();
            (set(self.old_replicas(span.upto)), set(self.new.replicas(span.upto)))
        };
        let mut merged: Vec<Span> = Vec::new();
        for span in self.spans() {
            if !self.must_fetch(span.upto, id) {
                continue;
            }
            match merged.last_mut() {
                Some(last) if last.upto + 1 == span.from && sets(last) == sets(&span) => {
                    last.upto = span.upto;
                }
                _ => merged.push(span),
            }
        }
        merged
    }

    /// All nodes that have something to fetch, and report when it has done so.
    pub fn newcomers(&self) -> BTreeSet<Id> {
        let mut newcomers = BTreeSet::new();
        if !self.is_stable() {
            for span in self.spans() {
                let new = self.new.replicas(span.upto).into_iter();
                newcomers.extend(new.filter(|id| self.must_fetch(span.upto, *id)));
            }
        }
        newcomers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::View as _;
    use std::collections::BTreeMap;

    fn ids(ids: impl IntoIterator<Item = usize>) -> BTreeSet<Id> {
        ids.into_iter().map(Id::from).collect()
    }

    fn ring(members: impl IntoIterator<Item = usize>) -> Ring {
        Ring::of(ids(members))
    }

    fn reports<const N: usize>(reports: [(usize, Report); N]) -> BTreeMap<Id, Report> {
        reports.into_iter().map(|(src, report)| (Id::from(src), report)).collect()
    }

    fn gone(members: impl IntoIterator<Item = usize>) -> (usize, Report) {
        (99, Report::Members { gone: ids(members) })
    }

    /// The view that follows, which the one before permits.
    fn next<const N: usize>(view: &View, said: [(usize, Report); N]) -> Option<View> {
        let next = view.next(&BTreeSet::new(), &reports(said));
        assert!(next.iter().all(|next| view.permits(next)), "{next:?} after {view:?}");
        next
    }

    fn members(view: Option<View>) -> Option<(BTreeSet<Id>, BTreeSet<Id>)> {
        view.map(|view| (view.old.members(), view.new.members()))
    }

    #[test]
    fn a_majority_of_the_coordinators_gives_up_who_is_gone() {
        let view = View::stable(1, ring(0..3)).decided_by(ids(50..53).into_iter().collect());
        let vote = |lost| Report::GiveUp { epoch: 1, lost: ids(lost) };
        let (both, one) = (|| vote(vec![1, 2]), || vote(vec![2]));
        assert!(view.heeds(Id::from(50), &both()) && !view.heeds(Id::from(1), &both()));
        assert!(!view.heeds(Id::from(50), &Report::GiveUp { epoch: 2, lost: ids([1]) }));
        let lost = |view: Option<View>| view.map(|view| view.lost).unwrap_or_default();
        let two = [gone([1, 2]), (50, both()), (51, both())];
        assert_eq!(lost(next(&view, two)), ids([1, 2]));
        assert_eq!(lost(next(&view, [gone([1, 2]), (50, both()), (51, one())])), ids([2]));
        for none in [
            [gone([1, 2]), (50, both()), (51, vote(vec![]))],
            [gone([2]), (50, both()), (51, both())],
            [gone([]), (50, both()), (51, both())],
        ] {
            assert_eq!(lost(next(&view, none)), ids([]));
        }
    }

    /// What is said to be possible is what coordinators would decide.
    #[test]
    fn who_can_be_spared_is_who_may_leave() {
        for (members, spares) in [(1, false), (2, true), (3, false), (4, true), (5, true)] {
            let view = View::stable(1, ring(0..members));
            assert_eq!(view.can_spare_one(), spares, "of {members}");
            let decided = next(&view, [(0, Report::Leave)]);
            assert_eq!(decided.is_some(), spares, "of {members}");
            assert!(decided.is_none_or(|next| !next.new.has(Id::from(0))));
        }
        // The newcomer takes the leaver's place.
        let decided = next(&View::stable(1, ring(0..3)), [(0, Report::Leave), (3, Report::Join)]);
        assert_eq!(members(decided).map(|(_, new)| new), Some(ids([1, 2, 3])));
    }

    #[test]
    fn spans_cover_the_circle_and_agree_with_positions() {
        let view = View::joint(2, ring(0..4), ring(1..5));
        let spans = view.spans();
        assert_eq!(spans.first().map(|span| span.from), Some(0));
        assert_eq!(spans.last().map(|span| span.upto), Some(u64::MAX));
        assert!(spans.windows(2).all(|pair| pair[0].upto + 1 == pair[1].from));
        for span in spans {
            for at in [span.from, span.from + (span.upto - span.from) / 2] {
                assert_eq!(view.old.replicas(at), view.old.replicas(span.upto));
                assert_eq!(view.new.replicas(at), view.new.replicas(span.upto));
            }
        }
        assert!(view.newcomers().contains(&Id::from(4)));
    }

    #[test]
    fn only_neighbours_that_share_a_ring_follow_each_other() {
        let [a, b, c] = [ring(0..3), ring(1..4), ring(2..5)];
        let joint = |epoch, old: &Ring, new: &Ring| View::joint(epoch, old.clone(), new.clone());
        let stable = |epoch, ring: &Ring| View::stable(epoch, ring.clone());
        let follows = |next: View, last: View, reported| next.may_follow(&last, reported, false);
        assert!(follows(joint(2, &a, &b), stable(1, &a), false));
        assert!(follows(joint(3, &a, &c), joint(2, &a, &b), false));
        assert!(follows(stable(3, &a), joint(2, &a, &b), false));
        assert!(follows(stable(3, &b), joint(2, &a, &b), true));
        assert!(!follows(stable(3, &b), joint(2, &a, &b), false));
        assert!(!follows(stable(2, &b), stable(1, &a), true));
        assert!(!follows(joint(3, &b, &c), joint(2, &a, &b), true));
        assert!(!follows(joint(2, &b, &c), stable(1, &a), true));
        assert!(!follows(joint(3, &a, &b), stable(1, &a), true));
        let given_up = View { lost: ids([0]), ..joint(2, &a, &b) };
        assert!(!follows(given_up.clone(), stable(1, &a), true));
        assert!(given_up.may_follow(&stable(1, &a), false, true));
        assert!(!follows(stable(3, &a), given_up, true), "its operations did not ask all of A");
    }

    /// Whatever may follow whatever, but for a reform: an operation's quorum in the one shares a
    /// node with every quorum in the other, for every position.
    #[test]
    fn quorums_of_neighbours_intersect() {
        let rings = [ring(0..1), ring(0..3), ring(1..4), ring(0..4), ring([0, 2, 3, 4])];
        let mut views: Vec<_> = Vec::new();
        for epoch in [1, 2] {
            for old in &rings {
                views.extend(rings.iter().map(|new| View::joint(epoch, old.clone(), new.clone())));
            }
        }
        let sets: Vec<BTreeSet<Id>> = (0..1_u32 << 5)
            .map(|set| ids((0..5).filter(|member| set & 1 << member != 0)))
            .collect();
        let quorums = |view: &View, at| -> Vec<&BTreeSet<Id>> {
            let is_quorum = |set: &&BTreeSet<Id>| view.is_quorum(at, |id| set.contains(&id));
            sets.iter().filter(is_quorum).collect()
        };
        let mut pairs = 0;
        for last in &views {
            for next in views.iter().filter(|next| next.may_follow(last, true, false)) {
                pairs += 1;
                for at in (0..16).map(|part| part << 60) {
                    let (before, after) = (quorums(last, at), quorums(next, at));
                    let mut all = before.iter().flat_map(|one| after.iter().map(move |o| (one, o)));
                    assert!(all.all(|(one, other)| !one.is_disjoint(other)), "{last:?} {next:?}");
                }
            }
        }
        assert!(pairs > 100, "{pairs}");
    }

    #[test]
    fn a_ring_of_five_loses_two_at_once_and_stabilizes_without_them() {
        let view = View::stable(1, ring(0..5));
        let joint = next(&view, [gone([1, 3])]).expect("a joint view");
        assert_eq!(members(Some(joint.clone())), Some((ids(0..5), ids([0, 2, 4]))));
        assert_eq!(next(&joint, [gone([1, 3])]), None, "newcomers fetch");
        let done = |epoch| Report::Stabilized { epoch };
        assert_eq!(next(&joint, [gone([1, 3]), (0, done(2)), (2, done(2))]), None);
        let all = [gone([1, 3]), (0, done(2)), (2, done(2)), (4, done(2))];
        assert_eq!(next(&joint, all), Some(View::stable(3, ring([0, 2, 4]))));
        assert!(joint.heeds(Id::from(0), &done(2)) && !joint.heeds(Id::from(0), &done(1)));
    }

    #[test]
    fn a_ring_is_not_made_smaller_than_its_replica_sets() {
        let view = View::stable(1, ring(0..3));
        assert_eq!(next(&view, [gone([2])]), None);
        assert_eq!(next(&view, [(2, Report::Leave)]), None);
        let swapped = next(&view, [gone([2]), (3, Report::Join)]);
        assert_eq!(members(swapped), Some((ids(0..3), ids([0, 1, 3]))));
        let four = View::stable(1, ring(0..4));
        assert_eq!(members(next(&four, [gone([1, 2])])), Some((ids(0..4), ids([0, 1, 3]))));
        let two = View::stable(1, ring(0..2));
        assert_eq!(next(&two, [gone([1])]), None);
        assert_eq!(members(next(&two, [(1, Report::Leave)])), Some((ids(0..2), ids([0]))));
        assert_eq!(next(&View::stable(1, ring([0])), [(0, Report::Leave)]), None);
    }

    #[test]
    fn newcomers_come_one_at_a_time_and_leavers_go_after_the_gone() {
        let view = View::stable(1, ring(0..5));
        let joint = next(&view, [(6, Report::Join), (7, Report::Join)]).expect("a joint view");
        assert_eq!(joint.new.members(), ids([0, 1, 2, 3, 4, 6]));
        assert_eq!(next(&joint, [(7, Report::Join)]), None);
        let back = next(&joint, [gone([6])]);
        assert_eq!(back, Some(View::stable(3, ring(0..5))), "the newcomer is gone");
        let said = [gone([4]), (0, Report::Leave), (1, Report::Leave)];
        assert_eq!(members(next(&view, said)).map(|(_, new)| new), Some(ids(0..4)));
        let said = [(0, Report::Leave), (1, Report::Leave)];
        assert_eq!(members(next(&view, said)).map(|(_, new)| new), Some(ids(1..5)));
        // The next change while one is under way: another member is gone.
        let joint = next(&view, [gone([4])]).expect("a joint view");
        assert_eq!(members(next(&joint, [gone([3, 4])])), Some((ids(0..5), ids(0..3))));
    }

    #[test]
    fn an_operator_gives_up_who_is_gone() {
        let view = View::stable(1, ring(0..3));
        assert_eq!(next(&view, [gone([1, 2])]), None, "the range waits");
        let reform = |epoch, lost| (98, Report::Reform { epoch, lost });
        let reformed = next(&view, [gone([1, 2]), reform(1, ids([0, 1, 2]))]);
        let reformed = reformed.expect("a view of the survivors");
        assert_eq!((reformed.lost.clone(), reformed.new.members()), (ids([1, 2]), ids([0])));
        assert!(reformed.is_quorum(0, |id| id == Id::from(0)) && !reformed.is_stable());
        let done = next(&reformed, [gone([1, 2])]).expect("nobody has to fetch");
        assert_eq!(done, View::stable(3, ring([0])));
        let joins = next(&reformed, [gone([1, 2]), (4, Report::Join)]);
        assert_eq!(joins, Some(done), "newcomers wait");
        let (operator, stale) = reform(0, ids([1, 2]));
        assert!(!view.heeds(Id::from(operator), &stale));
    }

    /// A node that is gone and not named is waited for: what only it has is not lost.
    #[test]
    fn an_operator_gives_up_some_of_those_who_are_gone() {
        let view = View::stable(1, ring(0..6));
        let reform = (98, Report::Reform { epoch: 1, lost: ids([1, 2, 5]) });
        let reformed = next(&view, [gone([1, 2, 3, 4]), reform]).expect("a view of the survivors");
        assert_eq!((reformed.lost.clone(), reformed.new.members()), (ids([1, 2]), ids([0, 5])));
        let lives = |id: Id| [0, 5].map(Id::from).contains(&id);
        let spans = reformed.spans();
        let waits = spans.iter().filter(|span| !reformed.is_quorum(span.upto, lives)).count();
        assert!((1..spans.len()).contains(&waits), "{waits} of {}", spans.len());
    }
}
