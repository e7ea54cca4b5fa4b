//! The members of the chain, and which view may follow.

use crate::coordinator;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};

/// The members of the chain, in order, during one epoch.
///
/// Invariants: `chain` is not empty and names no member twice; the learner is not in it; there is
/// one view an epoch; `coordinators` is the same in every view.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct View {
    /// The number of this view; grows with each.
    pub epoch: u64,
    /// The members from head to tail.
    pub chain: Vec<Id>,
    /// The learner, which is taught to become the next tail, and the epoch in which that began.
    pub learner: Option<(Id, u64)>,
    /// The coordinators, which decide the next view. A chain without coordinators keeps its view
    /// for ever, and its members read without leases.
    pub coordinators: Vec<Id>,
    /// How many copies suffice by an operator's word, where fewer were left than are to be kept.
    /// None of those that were there is left, 0, where the chain [is begun
    /// anew](Self::is_begun_anew).
    pub allowed: Option<u32>,
}

/// A view as it is written: as before there was `allowed`, where there is none.
#[derive(Serialize, Deserialize)]
struct Form {
    epoch: u64,
    chain: Vec<Id>,
    learner: LearnerForm,
    coordinators: Vec<Id>,
}

/// The learner as it is written. The first two are an `Option`'s.
#[derive(Serialize, Deserialize)]
enum LearnerForm {
    None,
    Some((Id, u64)),
    NoneAllowed(u32),
    SomeAllowed((Id, u64), u32),
}

impl From<View> for Form {
    fn from(View { epoch, chain, learner, coordinators, allowed }: View) -> Self {
        let learner = match (learner, allowed) {
            (None, None) => LearnerForm::None,
            (Some(learner), None) => LearnerForm::Some(learner),
            (None, Some(allowed)) => LearnerForm::NoneAllowed(allowed),
            (Some(learner), Some(allowed)) => LearnerForm::SomeAllowed(learner, allowed),
        };
        Form { epoch, chain, learner, coordinators }
    }
}

impl From<Form> for View {
    fn from(Form { epoch, chain, learner, coordinators }: Form) -> Self {
        let (learner, allowed) = match learner {
            LearnerForm::None => (None, None),
            LearnerForm::Some(learner) => (Some(learner), None),
            LearnerForm::NoneAllowed(allowed) => (None, Some(allowed)),
            LearnerForm::SomeAllowed(learner, allowed) => (Some(learner), Some(allowed)),
        };
        View { epoch, chain, learner, coordinators, allowed }
    }
}

/// What is reported to the coordinators.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Report {
    /// When a replica that is not in the view wants to be.
    Join,
    /// When the tail's learner has everything.
    Ready {
        /// Which teaching it was.
        since: u64,
    },
    /// When a member has not heard from the next one in the chain for a long time, though
    /// coordinators may: its successor, or the tail's learner.
    Silent {
        /// The member's epoch.
        epoch: u64,
    },
    /// When an operator says that some members will never come back, so that fewer copies suffice.
    Reform {
        /// The epoch that the operator saw.
        epoch: u64,
        /// The members that are given up.
        lost: BTreeSet<Id>,
    },
    /// When an operator says that the only member is lost with its disk, so that the chain begins
    /// anew from the older data of the replica that reports this.
    BeginAnew {
        /// The epoch that the operator saw.
        epoch: u64,
    },
}

impl View {
    /// A view without a learner and without coordinators.
    pub fn new(epoch: u64, chain: Vec<Id>) -> Self {
        View { epoch, chain, learner: None, coordinators: Vec::new(), allowed: None }
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

    /// Whether this view began a chain anew, from older data of one that was no member; or only
    /// learners came since.
    pub fn is_begun_anew(&self) -> bool {
        self.allowed == Some(0)
    }

    /// Whether it has one member, and others decide about it.
    pub fn is_alone(&self, id: Id) -> bool {
        self.chain == [id] && !self.coordinators.is_empty()
    }

    /// The view with which a replica begins the chain anew.
    fn begun_anew(&self, from: Id) -> View {
        View {
            epoch: self.epoch + 1,
            chain: vec![from],
            learner: None,
            coordinators: self.coordinators.clone(),
            allowed: Some(0),
        }
    }

    /// What an operator asked for, who says that the only member is lost; and it is not heard. Its
    /// learner, which has not everything, is dropped.
    fn anew(&self, suspects: &BTreeSet<Id>, reports: &BTreeMap<Id, Report>) -> Option<View> {
        let told = |report: &Report| matches!(report, Report::BeginAnew { .. });
        let (from, _) = reports.iter().find(|(_, report)| told(report))?;
        let is_gone = self.chain.iter().all(|id| suspects.contains(id));
        (is_gone && self.may_begin_anew(*from)).then(|| self.begun_anew(*from))
    }

    /// Whether the chain may begin anew from what this replica has.
    fn may_begin_anew(&self, from: Id) -> bool {
        self.chain.len() == 1 && !self.chain.contains(&from) && self.learner() != Some(from)
    }

    /// How many copies are to be kept: so many, or fewer by an operator's word.
    pub fn enough(&self, copies: usize) -> usize {
        self.allowed.map_or(copies, |allowed| copies.min(allowed as usize))
    }

    /// Whether as many are members as copies are to be kept: only then is anything new logged.
    pub fn has_copies(&self, copies: usize) -> bool {
        self.chain.len() >= self.enough(copies)
    }

    /// This view with its learner for the new tail. What an operator allowed grows with the chain.
    fn appended(&self, learner: Id) -> View {
        let mut next = View { epoch: self.epoch + 1, learner: None, ..self.clone() };
        next.chain.push(learner);
        next.allowed = self.allowed.map(|allowed| allowed.max(next.chain.len() as u32));
        next
    }

    /// The next view without these; a learner begins anew where its tail is another one.
    fn without(&self, gone: &BTreeSet<Id>) -> View {
        let epoch = self.epoch + 1;
        let mut next = View { epoch, ..self.clone() };
        next.chain.retain(|id| !gone.contains(id));
        next.learner = next.learner.filter(|(learner, _)| !gone.contains(learner));
        if next.tail() != self.tail() {
            next.learner = next.learner.map(|(learner, _)| (learner, epoch));
        }
        next
    }

    /// The view that an operator asked for, which gave members up: so many copies as it leaves
    /// suffice.
    fn reformed(&self, copies: usize, reports: &BTreeMap<Id, Report>) -> Option<View> {
        let lost = reports.values().find_map(|report| match report {
            Report::Reform { lost, .. } => Some(lost),
            Report::Join
            | Report::Ready { .. }
            | Report::Silent { .. }
            | Report::BeginAnew { .. } => None,
        })?;
        let mut next = self.without(lost);
        let left = next.chain.len();
        if left == 0 || left == self.chain.len() {
            return None;
        }
        if left < self.enough(copies) {
            next.allowed = Some(left as u32);
        }
        Some(next)
    }

    /// Which members to leave out of those that do not stay, so that so many copies are left: those
    /// closest to the tail first. The one before them is then the tail, and can teach.
    fn leaving(&self, copies: usize, stays: impl Fn(&Id) -> bool) -> BTreeSet<Id> {
        let most = self.chain.len().saturating_sub(self.enough(copies).max(1));
        let gone = self.chain.iter().rev().filter(|id| !stays(id)).take(most);
        let learner = self.learner().filter(|learner| !stays(learner));
        gone.copied().chain(learner).collect()
    }

    /// The member that the complaining member closest to the tail hears nothing from. (One that
    /// waits for another that waits in turn does hear from it.)
    fn silent(&self, reports: &BTreeMap<Id, Report>) -> Option<Id> {
        let complains = |id: &&Id| matches!(reports.get(id), Some(Report::Silent { .. }));
        let last = self.chain.iter().rfind(complains)?;
        self.successor(*last).or_else(|| self.learner())
    }

    /// Whether this learner may follow: none, the same under the same tail, or one that begins
    /// anew.
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

    /// Remove some members, but not all, in order, with or without a change of learner; or append
    /// the learner. (That it was ready is its proposer's to know, and so is what an operator said.)
    fn permits(&self, next: &View) -> bool {
        let mut old = self.chain.iter();
        let in_order = next.chain.iter().all(|member| old.any(|other| other == member));
        let appended = self.learner().is_some_and(|learner| *next == self.appended(learner));
        let is_smaller = next.chain.len() < self.chain.len();
        let allowed = next.allowed == self.allowed
            || is_smaller && next.allowed == Some(next.chain.len() as u32);
        let in_order = in_order && allowed;
        let anew = || {
            let from = next.head().filter(|from| self.may_begin_anew(*from));
            from.is_some_and(|from| *next == self.begun_anew(from))
        };
        next.epoch == self.epoch + 1
            && next.coordinators == self.coordinators
            && !next.chain.is_empty()
            && (appended || in_order && self.permits_learner(next) || anew())
    }

    fn next(&self, suspects: &BTreeSet<Id>, reports: &BTreeMap<Id, Report>) -> Option<View> {
        self.next_keeping(1, suspects, reports)
    }

    /// A learner that is ready goes first, for it may be all that is left; then what an operator
    /// says. Then suspects are removed, all at once, and every silent one, as far as copies are
    /// kept; then a newcomer is named.
    fn next_keeping(
        &self,
        copies: usize,
        suspects: &BTreeSet<Id>,
        reports: &BTreeMap<Id, Report>,
    ) -> Option<View> {
        let silent = self.silent(reports);
        let stays = |id: &Id| !suspects.contains(id) && silent != Some(*id);
        let is_ready = |tail: &Id| matches!(reports.get(tail), Some(Report::Ready { .. }));
        if let Some((learner, _)) = self.learner.filter(|(learner, _)| stays(learner))
            && self.chain.last().is_some_and(is_ready)
        {
            return Some(self.appended(learner));
        }
        if let Some(next) = self.reformed(copies, reports) {
            return Some(next);
        }
        if let Some(next) = self.anew(suspects, reports) {
            return Some(next);
        }
        if !self.chain.iter().any(stays) {
            return None; // it is more likely that we are cut off than that everyone is dead
        }
        let leaving = self.leaving(copies, stays);
        let mut next = self.without(&leaving);
        if !leaving.is_empty() {
            return Some(next);
        }
        if self.learner.is_some() {
            return None;
        }
        let mut newcomers = reports.iter().filter(|(_, report)| **report == Report::Join);
        let (newcomer, _) = newcomers.find(|(id, _)| !self.chain.contains(id))?;
        next.learner = Some((*newcomer, next.epoch));
        Some(next)
    }

    fn keeps(&self, next: &View, copies: usize) -> bool {
        next.chain.len() >= next.enough(copies).min(self.chain.len())
    }

    fn abandons(&self, next: &View) -> bool {
        next.is_begun_anew() && !next.chain.iter().any(|member| self.chain.contains(member))
    }

    fn is_urgent(report: &Report) -> bool {
        matches!(report, Report::BeginAnew { .. })
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
            Report::Reform { epoch, lost } => {
                *epoch == self.epoch
                    && self.chain.iter().any(|member| lost.contains(member))
                    && !self.chain.iter().all(|member| lost.contains(member))
            }
            Report::BeginAnew { epoch } => *epoch == self.epoch && self.may_begin_anew(src),
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

    /// Only of one member that is not heard, and from one that is neither that nor its learner.
    #[test]
    fn a_chain_begins_anew_by_an_operators_word() {
        let ids = |ids: &[usize]| ids.iter().copied().map(Id::from).collect::<BTreeSet<_>>();
        let told =
            |from: usize, epoch| BTreeMap::from([(Id::from(from), Report::BeginAnew { epoch })]);
        let begun = View { allowed: Some(0), ..view(6, &[2], None) };
        for (chain, learner, suspects, from, wished) in [
            (&[0][..], None, &[0][..], 2, Some(begun.clone())),
            (&[0], None, &[], 2, None),
            (&[0], None, &[0], 0, None),
            (&[0, 1], None, &[0, 1], 2, None),
            (&[0], Some((1, 4)), &[0], 2, Some(begun.clone())),
            (&[0], Some((2, 4)), &[0, 2], 2, None),
        ] {
            let now = view(5, chain, learner);
            let next = now.next_keeping(2, &ids(suspects), &told(from, 5));
            assert_eq!(next, wished, "{chain:?} {learner:?} {suspects:?} {from}");
            if let Some(next) = next {
                assert!(now.permits(&next) && now.keeps(&next, 2) && now.abandons(&next));
                assert!(
                    next.has_copies(2)
                        && now.heeds(Id::from(from), &told(from, 5)[&Id::from(from)])
                );
            }
            let report = Report::BeginAnew { epoch: 4 };
            assert!(!now.heeds(Id::from(2), &report), "of an older epoch");
        }
        let grown = View { learner: Some((Id::from(3), 6)), ..begun.clone() }.appended(Id::from(3));
        assert_eq!(grown.allowed, Some(2));
        let forged = View { allowed: Some(1), ..begun };
        assert!(!view(5, &[0], None).permits(&forged));
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
        let ready = || Report::Ready { since: 4 };
        let silent = || Report::Silent { epoch: 5 };
        for (learner, suspects, reports, wished) in [
            (None, &[1][..], vec![], Some(view(6, &[0, 2], None))),
            (None, &[0, 1, 2], vec![], None),
            (None, &[], vec![(3, Report::Join)], Some(view(6, &[0, 1, 2], Some((3, 6))))),
            (Some((3, 4)), &[], vec![(2, ready())], Some(view(6, &[0, 1, 2, 3], None))),
            (Some((3, 4)), &[], vec![(1, ready())], None),
            (Some((3, 4)), &[3], vec![(2, ready())], Some(view(6, &[0, 1, 2], None))),
            (Some((3, 4)), &[2], vec![(2, ready())], Some(view(6, &[0, 1, 2, 3], None))),
            (Some((3, 4)), &[2], vec![(1, ready())], Some(view(6, &[0, 1], Some((3, 6))))),
            (Some((3, 4)), &[0, 3], vec![], Some(view(6, &[1, 2], None))),
            (Some((3, 4)), &[0, 1, 2], vec![(2, ready())], Some(view(6, &[0, 1, 2, 3], None))),
            (None, &[], vec![(0, silent())], Some(view(6, &[0, 2], None))),
            (None, &[], vec![(0, silent()), (1, silent())], Some(view(6, &[0, 1], None))),
            (Some((3, 4)), &[], vec![(2, silent())], Some(view(6, &[0, 1, 2], None))),
            (Some((3, 4)), &[], vec![(1, silent())], Some(view(6, &[0, 1], Some((3, 6))))),
        ] {
            let now = view(5, &[0, 1, 2], learner);
            let reports = reports.into_iter().map(|(id, report)| (Id::from(id), report)).collect();
            let next = now.next(&ids(suspects), &reports);
            assert_eq!(next, wished);
            assert!(next.is_none_or(|next| now.permits(&next)));
        }
    }

    /// Two copies are kept, whichever members are suspected: those closest to the tail go first,
    /// and a member that stays for want of others keeps no newcomer from joining.
    #[test]
    fn copies_are_kept() {
        let ids = |ids: &[usize]| ids.iter().copied().map(Id::from).collect::<BTreeSet<_>>();
        for (chain, learner, suspects, reports, wished) in [
            (&[0, 1, 2][..], None, &[1, 2][..], vec![], Some(view(6, &[0, 1], None))),
            (&[0, 1, 2], None, &[0, 1], vec![], Some(view(6, &[0, 2], None))),
            (&[0, 1, 2], None, &[0, 1, 2], vec![], None),
            (&[0, 1], None, &[0], vec![], None),
            (&[0, 1], None, &[0], vec![(2, Report::Join)], Some(view(6, &[0, 1], Some((2, 6))))),
            (&[0, 1], Some((2, 4)), &[0], vec![], None),
            (&[0, 1], Some((2, 4)), &[0, 2], vec![], Some(view(6, &[0, 1], None))),
            (&[0], None, &[], vec![], None),
        ] {
            let now = view(5, chain, learner);
            let reports = reports.into_iter().map(|(id, report)| (Id::from(id), report)).collect();
            let next = now.next_keeping(2, &ids(suspects), &reports);
            assert_eq!(next, wished);
            assert!(next.is_none_or(|next| now.permits(&next) && now.keeps(&next, 2)));
        }
        let two = view(5, &[0, 1], None);
        assert!(!two.keeps(&view(6, &[0], None), 2) && two.keeps(&view(6, &[0], None), 1));
        assert!(two.keeps(&two, 3), "a chain that began with fewer keeps those");
        assert!(two.has_copies(2) && !two.has_copies(3));
    }

    /// An operator gives members up: what is left suffices, until the chain has grown, and no disk
    /// has to be read anew.
    #[test]
    fn an_operator_allows_fewer_copies() {
        let lost = |lost: &[usize]| Report::Reform {
            epoch: 5,
            lost: lost.iter().copied().map(Id::from).collect(),
        };
        let now = view(5, &[0, 1], Some((2, 4)));
        let nobody = BTreeSet::new();
        let said = |report: Report| BTreeMap::from([(Id::from(77), report)]);
        let next = now.next_keeping(2, &nobody, &said(lost(&[1, 2]))).expect("a view");
        assert_eq!(next, View { allowed: Some(1), ..view(6, &[0], None) });
        assert!(now.permits(&next) && now.keeps(&next, 2) && next.has_copies(2));
        for (ids, heeded) in [(&[1][..], true), (&[0, 1], false), (&[2], false), (&[], false)] {
            assert_eq!(now.heeds(Id::from(77), &lost(ids)), heeded, "{ids:?}");
        }
        assert!(!view(6, &[0, 1], None).heeds(Id::from(77), &lost(&[1])), "of an older epoch");
        let grown = View { learner: Some((Id::from(3), 6)), ..next }.appended(Id::from(3));
        assert_eq!(grown, View { allowed: Some(2), ..view(7, &[0, 3], None) });
        assert!(!grown.keeps(&View { allowed: Some(2), ..view(8, &[0], None) }, 2));
        let forged = View { allowed: Some(1), ..view(6, &[0, 1], None) };
        assert!(!now.permits(&forged), "who leaves nobody out allows nothing");
        let more = View::new(5, (0..3).map(Id::from).collect());
        let next = more.next_keeping(2, &nobody, &said(lost(&[1]))).expect("a view");
        assert_eq!(next.allowed, None, "two are left, as is to be");
    }
}
