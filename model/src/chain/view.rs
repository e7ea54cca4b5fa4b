//! Who is in the chain, and what may follow.

use crate::coordinator;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};

/// Who is in the chain, in order, during one epoch.
///
/// Invariants: `chain` is not empty and names nobody twice; the learner is not in it; there is one view
/// an epoch; `coordinators` is the same in every view.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct View {
    /// The number of this view; grows with each.
    pub epoch: u64,
    /// The members from head to tail.
    pub chain: Vec<Id>,
    /// Who is being taught to become the next tail, and the epoch in which that began.
    pub learner: Option<(Id, u64)>,
    /// Those who decide the next view. A chain without coordinators keeps its view for ever, and its
    /// members read without leases.
    pub coordinators: Vec<Id>,
}

/// What is reported to the coordinators.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Report {
    /// When a replica that is not in the view wants to be.
    Join,
    /// When the tail's learner has everything.
    Ready {
        /// Which teaching it was.
        since: u64,
    },
    /// When a member has not heard from whoever comes after it for a long time, though coordinators may: its
    /// successor, or the tail's learner.
    Silent {
        /// The member's epoch.
        epoch: u64,
    },
}

impl View {
    /// A view without a learner and without coordinators.
    pub fn new(epoch: u64, chain: Vec<Id>) -> Self {
        View { epoch, chain, learner: None, coordinators: Vec::new() }
    }

    /// The same view, whose successors these decide.
    pub fn decided_by(mut self, coordinators: Vec<Id>) -> Self {
        self.coordinators = coordinators;
        self
    }

    /// The member that updates enter at.
    pub fn head(&self) -> Option<Id> {
        self.chain.first().copied()
    }

    /// The last member.
    pub fn tail(&self) -> Option<Id> {
        self.chain.last().copied()
    }

    /// The member after `id`.
    pub fn successor(&self, id: Id) -> Option<Id> {
        let place = self.chain.iter().position(|member| *member == id)?;
        self.chain.get(place + 1).copied()
    }

    /// The member before `id`.
    pub fn predecessor(&self, id: Id) -> Option<Id> {
        let place = self.chain.iter().position(|member| *member == id)?;
        self.chain.get(place.checked_sub(1)?).copied()
    }

    /// The learner's id.
    pub fn learner(&self) -> Option<Id> {
        self.learner.map(|(learner, _)| learner)
    }

    /// Whom the member closest to the tail of those who complain hears nothing from. (Who waits for somebody that
    /// waits in turn does hear from it.)
    fn silent(&self, reports: &BTreeMap<Id, Report>) -> Option<Id> {
        let complains = |id: &&Id| matches!(reports.get(id), Some(Report::Silent { .. }));
        let last = self.chain.iter().rfind(complains)?;
        self.successor(*last).or_else(|| self.learner())
    }

    /// Whether this learner may follow: none, the same under the same tail, or one that begins anew.
    fn permits_learner(&self, next: &View) -> bool {
        let Some((learner, since)) = next.learner else { return true };
        let goes_on = next.learner == self.learner && next.tail() == self.tail();
        !next.chain.contains(&learner) && (goes_on || since == next.epoch)
    }
}

impl coordinator::View for View {
    type Report = Report;

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn coordinators(&self) -> &[Id] {
        &self.coordinators
    }

    fn members(&self) -> Vec<Id> {
        self.chain.iter().copied().chain(self.learner()).collect()
    }

    fn leased(&self) -> &[Id] {
        &self.chain
    }

    /// Remove some members, but not all, in order, with or without a change of learner; or append the
    /// learner. (That it was ready is its proposer's to know.)
    fn permits(&self, next: &View) -> bool {
        let mut old = self.chain.iter();
        let in_order = next.chain.iter().all(|member| old.any(|other| other == member));
        let appended = self.learner().is_some_and(|learner| {
            next.chain.split_last() == Some((&learner, &self.chain[..])) && next.learner.is_none()
        });
        next.epoch == self.epoch + 1
            && next.coordinators == self.coordinators
            && !next.chain.is_empty()
            && (appended || in_order && self.permits_learner(next))
    }

    /// A learner that is ready goes first, for it may be all that is left. Then suspects are removed, all at once,
    /// and whoever is silent; then a newcomer is named.
    fn next(&self, suspects: &BTreeSet<Id>, reports: &BTreeMap<Id, Report>) -> Option<View> {
        let epoch = self.epoch + 1;
        let mut next = View { epoch, ..self.clone() };
        let silent = self.silent(reports);
        let stays = |id: &Id| !suspects.contains(id) && silent != Some(*id);
        let is_ready = |tail: &Id| matches!(reports.get(tail), Some(Report::Ready { .. }));
        if let Some((learner, _)) = self.learner.filter(|(learner, _)| stays(learner))
            && self.chain.last().is_some_and(is_ready)
        {
            next.chain.push(learner);
            next.learner = None;
            return Some(next);
        }
        next.chain.retain(stays);
        next.learner = next.learner.filter(|(learner, _)| stays(learner));
        if next.chain.is_empty() {
            return None; // it is more likely that we are cut off than that everyone is dead
        }
        if next.tail() != self.tail() {
            next.learner = next.learner.map(|(learner, _)| (learner, epoch));
        }
        if next.chain != self.chain || next.learner != self.learner {
            return Some(next);
        }
        if self.learner.is_some() {
            return None;
        }
        let mut newcomers = reports.iter().filter(|(_, report)| **report == Report::Join);
        let (newcomer, _) = newcomers.find(|(id, _)| !self.chain.contains(id))?;
        next.learner = Some((*newcomer, epoch));
        Some(next)
    }

    fn heeds(&self, src: Id, report: &Report) -> bool {
        match report {
            Report::Join => !self.chain.contains(&src) && self.learner() != Some(src),
            Report::Ready { since } => {
                self.tail() == Some(src) && self.learner.is_some_and(|(_, this)| this == *since)
            }
            Report::Silent { epoch } => {
                let is_followed = self.successor(src).is_some() || self.learner.is_some();
                *epoch == self.epoch && self.chain.contains(&src) && is_followed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coordinator::View as _;

    fn view(epoch: u64, chain: &[usize], learner: Option<(usize, u64)>) -> View {
        let mut view = View::new(epoch, chain.iter().copied().map(Id::from).collect());
        view.learner = learner.map(|(learner, since)| (Id::from(learner), since));
        view.decided_by(vec![Id::from(9)])
    }

    #[test]
    fn what_may_follow() {
        let now = view(5, &[0, 1, 2], Some((3, 4)));
        for (next, permitted) in [
            (view(6, &[0, 1, 2, 3], None), true),
            (view(6, &[1, 2], Some((3, 4))), true),
            (view(6, &[0, 2], None), true),
            (view(6, &[0, 1], Some((3, 6))), true),
            (view(6, &[0, 1, 2], Some((4, 6))), true),
            (view(6, &[0, 1], Some((3, 4))), false), // another tail knows nothing of it
            (view(6, &[0, 1, 3], None), false),      // two changes at once
            (view(6, &[1, 0, 2], None), false),
            (view(6, &[], None), false),
            (view(7, &[0, 1], None), false),
            (view(6, &[0, 1, 2, 4], None), false),
            (view(6, &[0, 1], Some((2, 5))), false),
        ] {
            assert_eq!(now.permits(&next), permitted, "{next:?}");
        }
    }

    #[test]
    fn what_is_wished_for_is_permitted() {
        let ids = |ids: &[usize]| ids.iter().copied().map(Id::from).collect::<BTreeSet<_>>();
        let ready = Report::Ready { since: 4 };
        let silent = Report::Silent { epoch: 5 };
        for (learner, suspects, reports, wished) in [
            (None, &[1][..], vec![], Some(view(6, &[0, 2], None))),
            (None, &[0, 1, 2], vec![], None),
            (None, &[], vec![(3, Report::Join)], Some(view(6, &[0, 1, 2], Some((3, 6))))),
            (Some((3, 4)), &[], vec![(2, ready)], Some(view(6, &[0, 1, 2, 3], None))),
            (Some((3, 4)), &[], vec![(1, ready)], None),
            (Some((3, 4)), &[3], vec![(2, ready)], Some(view(6, &[0, 1, 2], None))),
            (Some((3, 4)), &[2], vec![(2, ready)], Some(view(6, &[0, 1, 2, 3], None))),
            (Some((3, 4)), &[2], vec![(1, ready)], Some(view(6, &[0, 1], Some((3, 6))))),
            (Some((3, 4)), &[0, 3], vec![], Some(view(6, &[1, 2], None))),
            (Some((3, 4)), &[0, 1, 2], vec![(2, ready)], Some(view(6, &[0, 1, 2, 3], None))),
            (None, &[], vec![(0, silent)], Some(view(6, &[0, 2], None))),
            (None, &[], vec![(0, silent), (1, silent)], Some(view(6, &[0, 1], None))),
            (Some((3, 4)), &[], vec![(2, silent)], Some(view(6, &[0, 1, 2], None))),
            (Some((3, 4)), &[], vec![(1, silent)], Some(view(6, &[0, 1], Some((3, 6))))),
        ] {
            let now = view(5, &[0, 1, 2], learner);
            let reports = reports.into_iter().map(|(id, report)| (Id::from(id), report)).collect();
            let next = now.next(&ids(suspects), &reports);
            assert_eq!(next, wished);
            assert!(next.is_none_or(|next| now.permits(&next)));
        }
    }
}
