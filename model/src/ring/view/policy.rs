//! Which view may follow another one, and which one coordinators would have next.

use super::{Report, View};
use crate::coordinator;
use crate::ring::place::Ring;
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};

impl View {
    /// Whether this view may be decided to follow `last`; `reported` says whether every newcomer of
    /// `last` has reported, `asked` whether an operator gives some members up.
    pub fn may_follow(&self, last: &View, reported: bool, asked: bool) -> bool {
        let moves_on = self.old == last.old && self.lost == last.lost;
        let arrives = self.is_stable() && self.new == last.new && reported;
        let reforms = self.old == last.old && self.lost.is_superset(&last.lost) && asked;
        self.epoch == last.epoch + 1
            && self.coordinators == last.coordinators
            && !self.new.tokens.is_empty()
            && self.new.replicas == last.new.replicas
            && !self.lost.iter().any(|id| self.new.has(*id))
            && (moves_on || arrives || reforms)
    }

    /// Whether a member can leave without a node coming: a ring that has as many members as
    /// replicas, or more, does not shrink below that; a smaller one goes down to one member.
    pub fn can_spare_one(&self) -> bool {
        self.old.members().len() > self.least(true)
    }

    /// How many members a ring has at the least, where one leaves or not.
    fn least(&self, leaves: bool) -> usize {
        let (members, replicas) = (self.old.members().len(), usize::from(self.old.replicas));
        if members >= replicas { replicas } else { (members - usize::from(leaves)).max(1) }
    }

    /// The next view: to this ring, having given up these.
    fn followed_by(&self, new: Ring, lost: BTreeSet<Id>) -> View {
        View { epoch: self.epoch + 1, old: self.old.clone(), new, lost, ..self.clone() }
    }

    /// The ring to move to where these are to go, and this one is to come.
    fn target(
        &self,
        gone: &BTreeSet<Id>,
        leaving: &BTreeSet<Id>,
        joiner: Option<Id>,
    ) -> Option<Ring> {
        let old = self.old.members();
        let any_gone = old.iter().any(|id| gone.contains(id));
        // A node that leaves waits for those that are gone, and for those that leave before it.
        let leaves = leaving.iter().find(|id| old.contains(id)).filter(|_| !any_gone);
        let least = self.least(leaves.is_some());
        let mut stay = self.members();
        stay.extend(joiner);
        stay.retain(|id| {
            !gone.contains(id)
                && leaves != Some(id)
                && (old.contains(id) || !leaving.contains(id))
                && !self.lost.contains(id)
        });
        let back = leaves.into_iter().chain(old.iter().filter(|id| gone.contains(id)));
        for id in back.filter(|id| !self.lost.contains(id)) {
            if stay.len() < least {
                stay.insert(*id);
            }
        }
        (!stay.is_empty()).then(|| self.old.changed_to(&stay))
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
        View::members(self).into_iter().collect()
    }

    /// None: failures are detected by gossip, and reported.
    fn watched(&self) -> Vec<Id> {
        Vec::new()
    }

    fn on_probation(&self) -> Vec<Id> {
        let new = self.new.members().into_iter();
        new.filter(|id| !self.old.has(*id)).collect()
    }

    /// None: a read asks a quorum.
    fn leased(&self) -> &[Id] {
        &[]
    }

    fn permits(&self, next: &View) -> bool {
        next.may_follow(self, true, true)
    }

    fn next(&self, _: &BTreeSet<Id>, reports: &BTreeMap<Id, Report>) -> Option<View> {
        let mut gone = BTreeSet::new();
        let (mut leaving, mut joining) = (BTreeSet::new(), BTreeSet::new());
        let mut reported = BTreeSet::new();
        let mut given_up: BTreeSet<Id> = BTreeSet::new();
        let mut votes: BTreeMap<Id, usize> = BTreeMap::new();
        for (src, report) in reports {
            match report {
                Report::Stabilized { .. } => {
                    reported.insert(*src);
                }
                Report::Join => {
                    joining.insert(*src);
                }
                Report::Leave => {
                    leaving.insert(*src);
                }
                Report::Members { gone: seen } => gone.extend(seen),
                Report::Reform { lost, .. } => given_up.extend(lost),
                Report::GiveUp { lost, .. } => {
                    lost.iter().for_each(|id| *votes.entry(*id).or_default() += 1);
                }
            }
        }
        let decide = self.coordinators.len() / 2 + 1;
        votes.retain(|_, votes| *votes >= decide);
        if !votes.is_empty() && self.unserved(reports).is_some() {
            given_up.extend(votes.into_keys());
        }
        if !given_up.is_empty() {
            let mut lost = self.lost.clone();
            let is_lost = |id: &Id| gone.contains(id) && given_up.contains(id);
            lost.extend(self.old.members().into_iter().filter(is_lost));
            let mut stay = View::members(self);
            stay.retain(|id| !gone.contains(id) && !lost.contains(id));
            if lost != self.lost && !stay.is_empty() {
                return Some(self.followed_by(self.old.changed_to(&stay), lost));
            }
        }
        if !self.is_stable() && self.newcomers().is_subset(&reported) {
            let View { epoch, new, coordinators, .. } = self.clone();
            return Some(View::stable(epoch + 1, new).decided_by(coordinators));
        }
        let departs = |id: &Id| gone.contains(id) || leaving.contains(id);
        let joiner = joining.into_iter().find(|id| !departs(id) && !self.new.has(*id));
        let joiner = joiner.filter(|_| self.is_stable());
        if joiner.is_none() && !self.new.tokens.values().any(departs) {
            return None;
        }
        let target = self.target(&gone, &leaving, joiner)?;
        (target != self.new).then(|| self.followed_by(target, self.lost.clone()))
    }

    fn heeds(&self, src: Id, report: &Report) -> bool {
        match report {
            Report::Stabilized { epoch } => *epoch == self.epoch && self.newcomers().contains(&src),
            Report::Join => !self.new.has(src),
            Report::Leave => self.old.has(src) || self.new.has(src),
            Report::Members { .. } => true, // also that no node is gone any more
            Report::Reform { epoch, .. } => *epoch == self.epoch,
            Report::GiveUp { epoch, .. } => {
                *epoch == self.epoch && self.coordinators.contains(&src)
            }
        }
    }

    fn unserved(&self, reports: &BTreeMap<Id, Report>) -> Option<BTreeSet<Id>> {
        let gone = reports.values().filter_map(|report| match report {
            Report::Members { gone } => Some(gone),
            Report::Stabilized { .. }
            | Report::Join
            | Report::Leave
            | Report::Reform { .. }
            | Report::GiveUp { .. } => None,
        });
        let gone: BTreeSet<Id> = gone.flatten().copied().collect();
        let is_lost = !gone.is_empty() && !self.without_majority(&gone).is_empty();
        is_lost.then_some(gone)
    }

    fn would_give_up(&self, lost: BTreeSet<Id>, alone: bool) -> Option<Report> {
        let epoch = self.epoch;
        Some(if alone { Report::Reform { epoch, lost } } else { Report::GiveUp { epoch, lost } })
    }
}
