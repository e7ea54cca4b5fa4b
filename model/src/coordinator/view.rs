//! What coordinators need to know of a view.

use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::Hash;

/// Which actors serve in an epoch. Coordinators decide a sequence of these, and know nothing else
/// of them.
pub trait View: Clone + Debug + Eq + Hash + Ord {
    /// What members report that bears on the next view.
    type Report: Clone + Debug + Eq + Hash + Ord;

    /// The number of this view.
    fn epoch(&self) -> u64;

    /// The coordinators, which decide the next view; the same in every view.
    fn coordinators(&self) -> &[Id];

    /// All that serve, in whatever role.
    fn members(&self) -> Vec<Id>;

    /// Those of them that send heartbeats, and are suspected when they fall silent.
    /// None, where another actor detects failures and reports them.
    fn watched(&self) -> Vec<Id> {
        self.members()
    }

    /// Those of them that are still to become what the others are: one that is dropped from among
    /// these has to wait before it is heeded again.
    fn on_probation(&self) -> Vec<Id> {
        let mut members = self.members();
        members.retain(|member| !self.leased().contains(member));
        members
    }

    /// Those of them that may hold leases. A member that is in here and not in the next view's
    /// is *left out* by it.
    fn leased(&self) -> &[Id];

    /// Whether `next` may follow this view.
    fn permits(&self, next: &Self) -> bool;

    /// The view to have next, if another one than this: a permitted one, a function of what is
    /// known. The reports are those that this view [`heeds`](Self::heeds).
    fn next(&self, suspects: &BTreeSet<Id>, reports: &BTreeMap<Id, Self::Report>) -> Option<Self>;

    /// The same, where no more members may be left out than leave so many [copies](Self::keeps).
    fn next_keeping(
        &self,
        _copies: usize,
        suspects: &BTreeSet<Id>,
        reports: &BTreeMap<Id, Self::Report>,
    ) -> Option<Self> {
        self.next(suspects, reports)
    }

    /// Whether `next`, if it leaves any member out, leaves so many copies, or as many as an
    /// operator said suffice.
    fn keeps(&self, _next: &Self, _copies: usize) -> bool {
        true
    }

    /// Whether `next` leaves out everyone, by an operator's word, so that a coordinator votes for
    /// it only where it hears none of them.
    fn abandons(&self, _next: &Self) -> bool {
        false
    }

    /// Whether a report counts only as long as its sender says nothing else: every coordinator acts
    /// on it at once.
    fn is_urgent(_report: &Self::Report) -> bool {
        false
    }

    /// Whether a report bears on what follows this view; others are forgotten.
    fn heeds(&self, src: Id, report: &Self::Report) -> bool;

    /// The nodes that are gone, by these reports, where parts of the data have no majority without
    /// them.
    fn unserved(&self, _: &BTreeMap<Id, Self::Report>) -> Option<BTreeSet<Id>> {
        None
    }

    /// What a coordinator says that would give these up; nothing where no node is ever given up.
    /// `alone`, it speaks for all, which only a mutant does.
    fn would_give_up(&self, _lost: BTreeSet<Id>, _alone: bool) -> Option<Self::Report> {
        None
    }
}
