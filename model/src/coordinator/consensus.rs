//! How a view is decided: one instance of Paxos an epoch.

use super::{Ballot, Coordinator, Key, Msg, Row, StateOf, Timer, View};
use crate::coordinator::msg::{Accept, Accepted, Ask, Install, Prepare, Promise};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::store::Store;
use stateright::actor::{Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A proposal under way.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Proposal<V> {
    /// Its ballot. Invariant: used by no other proposer, and for nothing else, in this epoch.
    pub ballot: Ballot,
    /// Phase 1: the acceptors that promised, and what each had voted for.
    pub promises: BTreeMap<Id, Option<(Ballot, V)>>,
    /// Phase 2: what is proposed. Invariant: never another one in this ballot.
    pub view: Option<V>,
    /// Phase 2: the acceptors that voted for it.
    pub votes: BTreeSet<Id>,
}

impl<V: View, S: Store<Key, Row<V>>, M: Mechanisms> Coordinator<V, S, M> {
    /// An actor wants to know whether there is a newer view.
    pub(super) fn on_ask(&self, state: &StateOf<V, S>, src: Id, ask: Ask, out: &mut Out<Self>) {
        if ask.epoch < state.decided.epoch() {
            let view = state.decided.clone();
            out.send(src, Msg::Install(Install { view }));
        }
    }

    /// Another coordinator knows a decided view.
    pub(super) fn on_install(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        Install { view }: Install<V>,
        out: &mut Out<Self>,
    ) {
        if view.epoch() > state.decided.epoch() {
            self.install(id, state.to_mut(), view, out);
        }
    }

    /// Phase 1 at an acceptor.
    pub(super) fn on_prepare(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        Prepare { decided, ballot }: Prepare<V>,
        out: &mut Out<Self>,
    ) {
        if decided.epoch() < state.decided.epoch() {
            let epoch = decided.epoch() + 1;
            if self.mechanisms.lacks(Mechanism::DecidedAnswers) {
                return out.send(src, Msg::Promise(Promise { epoch, ballot, accepted: None }));
            }
            let view = state.decided.clone();
            return out.send(src, Msg::Install(Install { view }));
        }
        if decided.epoch() == state.decided.epoch() && Some(ballot) <= state.promised {
            return;
        }
        let state = state.to_mut();
        if decided.epoch() > state.decided.epoch() {
            self.install(id, state, decided, out);
        }
        state.promised = Some(ballot);
        if self.mechanisms.has(Mechanism::PromiseSaved) {
            state.save_vote(out);
        }
        let epoch = state.decided.epoch() + 1;
        let accepted = state.accepted.clone();
        out.send(src, Msg::Promise(Promise { epoch, ballot, accepted }));
    }

    /// Phase 1 at the proposer.
    pub(super) fn on_promise(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        Promise { epoch, ballot, accepted }: Promise<V>,
        out: &mut Out<Self>,
    ) {
        let Some(proposal) = &state.proposal else { return };
        if epoch != state.decided.epoch() + 1
            || proposal.ballot != ballot
            || proposal.view.is_some()
            || proposal.promises.contains_key(&src)
            || state.promised != Some(ballot)
        {
            return;
        }
        self.note_promise(id, state.to_mut(), src, accepted, out);
    }

    /// Phase 2 at an acceptor: the vote, which waits for this acceptor's own grants to end.
    pub(super) fn on_accept(
        &self,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        Accept { ballot, view }: Accept<V>,
        out: &mut Out<Self>,
    ) {
        let epoch = view.epoch();
        if epoch <= state.decided.epoch() {
            if self.mechanisms.lacks(Mechanism::DecidedAnswers) {
                return out.send(src, Msg::Accepted(Accepted { epoch, ballot }));
            }
            let view = state.decided.clone();
            return out.send(src, Msg::Install(Install { view }));
        }
        if !state.decided.permits(&view)
            || !self.keeps_copies(state, &view)
            || !self.hears_none(state, &view)
            || Some(ballot) < state.promised
            || state.accepted.as_ref().is_some_and(|(voted, _)| *voted >= ballot)
        {
            return;
        }
        if !state.may_leave_out(&view)
            && self.mechanisms.has(Mechanism::LeaseWait)
            && self.mechanisms.has(Mechanism::EveryVoteWaits)
        {
            if state.withheld.as_ref() != Some(&view) {
                state.to_mut().withheld = Some(view);
                out.set_timer(Timer::Drive, self.withholding());
            }
            return;
        }
        let state = state.to_mut();
        state.withheld = None;
        state.promised = Some(ballot);
        state.accepted = Some((ballot, view));
        state.save_vote(out);
        out.send(src, Msg::Accepted(Accepted { epoch, ballot }));
        if self.mechanisms.has(Mechanism::VotesFinished) {
            out.set_timer(Timer::Drive, self.timeouts.drive.clone());
        }
    }

    /// Phase 2 at the proposer.
    pub(super) fn on_accepted(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        Accepted { epoch, ballot }: Accepted,
        out: &mut Out<Self>,
    ) {
        let Some(proposal) = &state.proposal else { return };
        if epoch != state.decided.epoch() + 1
            || proposal.ballot != ballot
            || proposal.view.is_none()
            || proposal.votes.contains(&src)
        {
            return;
        }
        self.note_vote(id, state.to_mut(), src, out);
    }

    /// Proposes what it would like, unless something is under way already: then later.
    pub(super) fn propose(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
        if self.wishes(state).is_none() {
            return;
        }
        if state.proposal.is_none() && state.accepted.is_none() {
            self.begin_ballot(id, state, out);
        } else {
            out.set_timer(Timer::Drive, self.timeouts.drive.clone());
        }
    }

    /// Begins a ballot above everything that it has promised, with its own promise.
    pub(super) fn begin_ballot(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
        let round = state.promised.map_or(0, |promised| promised.round);
        let Some(round) = round.checked_add(1) else { return }; // no ballot is used twice
        let ballot = Ballot { round, proposer: id };
        state.promised = Some(ballot);
        if self.mechanisms.has(Mechanism::PromiseSaved) {
            state.save_vote(out);
        }
        let (promises, votes) = (BTreeMap::new(), BTreeSet::new());
        state.proposal = Some(Proposal { ballot, promises, view: None, votes });
        let decided = state.decided.clone();
        self.broadcast(id, &state.decided, Msg::Prepare(Prepare { decided, ballot }), out);
        out.set_timer(Timer::Drive, self.timeouts.drive.clone());
        let accepted = state.accepted.clone();
        self.note_promise(id, state, id, accepted, out);
    }

    /// Counts a promise; a majority of them fixes what is proposed: the newest vote among them,
    /// which may have been decided already, or else what this coordinator would like.
    fn note_promise(
        &self,
        id: Id,
        state: &mut StateOf<V, S>,
        src: Id,
        accepted: Option<(Ballot, V)>,
        out: &mut Out<Self>,
    ) {
        let majority = self.majority(state);
        let wishes = self.wishes(state);
        let Some(proposal) = &mut state.proposal else { return };
        proposal.promises.insert(src, accepted);
        if proposal.promises.len() < majority {
            return;
        }
        let promises = std::mem::take(&mut proposal.promises);
        let votes = promises.into_values().flatten();
        let newest = if self.mechanisms.has(Mechanism::NewestVote) {
            votes.max_by_key(|(ballot, _)| *ballot)
        } else {
            votes.min_by_key(|(ballot, _)| *ballot)
        };
        if let Some((_, view)) = &newest {
            state.withheld = Some(view.clone());
        }
        let Some(view) = newest.map(|(_, view)| view).or(wishes) else {
            state.proposal = None; // what it was begun for has passed
            return;
        };
        let ballot = proposal.ballot;
        proposal.view = Some(view.clone());
        self.broadcast(id, &state.decided, Msg::Accept(Accept { ballot, view }), out);
        self.vote_for_own(id, state, out);
    }

    /// The proposer's own vote, which waits as everyone's does: tried again when a grant ends.
    pub(super) fn vote_for_own(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
        let Some(Proposal { ballot, view: Some(view), votes, .. }) = &state.proposal else {
            return;
        };
        if votes.contains(&id)
            || state.promised != Some(*ballot)
            || !state.may_leave_out(view) && self.mechanisms.has(Mechanism::LeaseWait)
            || !self.keeps_copies(state, view)
            || !self.hears_none(state, view)
            || self.votes_last(state, view) && votes.len() + 1 < self.majority(state)
        {
            return;
        }
        state.accepted = Some((*ballot, view.clone()));
        state.save_vote(out);
        self.note_vote(id, state, id, out);
    }

    /// Counts a vote; a majority of them has decided.
    fn note_vote(&self, id: Id, state: &mut StateOf<V, S>, src: Id, out: &mut Out<Self>) {
        let majority = self.majority(state);
        let Some(proposal) = &mut state.proposal else { return };
        proposal.votes.insert(src);
        let (votes, view) = (proposal.votes.len(), proposal.view.clone());
        let Some(view) = view else { return };
        if votes < majority {
            if votes + 1 == majority && src != id && self.votes_last(state, &view) {
                self.vote_for_own(id, state, out);
            }
            return;
        }
        let mut audience: BTreeSet<Id> = self.followers.iter().copied().collect();
        for concerned in [&state.decided, &view] {
            audience.extend(concerned.members());
            audience.extend(concerned.coordinators());
        }
        audience.remove(&id);
        self.install(id, state, view.clone(), out);
        out.broadcast(&audience, &Msg::Install(Install { view }));
    }

    /// Moves on to the epoch after a decided view. What was promised and voted for up to it is
    /// dropped; grants are not: a member keeps its lease from one view to the next.
    fn install(&self, id: Id, state: &mut StateOf<V, S>, view: V, out: &mut Out<Self>) {
        let members = view.members();
        self.note_failed(state, &view);
        for member in state.decided.members().iter().filter(|member| !members.contains(member)) {
            out.cancel_timer(Timer::Suspect(*member));
            out.cancel_timer(Timer::Expire(*member));
        }
        let (watched, leased) = (state.decided.watched(), state.decided.leased());
        for member in &view.watched() {
            // That another member is left out is no sign of its life: its silence goes on.
            let is_as_before = leased.contains(member) == view.leased().contains(member);
            if watched.contains(member) && is_as_before && !state.suspects.contains(member) {
                continue;
            }
            let silence = if state.heard.contains_key(member) {
                self.suspect(&view, id, *member, state.doubt.level)
            } else {
                self.first_heartbeat(&view, id)
            };
            out.set_timer(Timer::Suspect(*member), silence);
        }
        state.store.put(Key::Decided, Row::Decided(view.clone()));
        state.store.delete(&Key::Vote);
        out.save(state.store.clone());
        (state.promised, state.accepted, state.proposal) = (None, None, None);
        state.withheld = None;
        self.note_left_out(state, &members);
        state.suspects.retain(|member| members.contains(member));
        state.heard.retain(|member, _| members.contains(member));
        let remembered = self.mechanisms.has(Mechanism::GrantsRemembered);
        state.leases.retain(|member, _| members.contains(member) && remembered);
        if self.mechanisms.has(Mechanism::ReportsHeeded) {
            state.reports.retain(|src, report| view.heeds(*src, report));
        }
        state.decided = view;
        state.unserved = false;
        out.cancel_timer(Timer::GiveUp);
        self.watch(id, state, out);
        if self.wishes(state).is_some() {
            out.set_timer(Timer::Drive, self.timeouts.drive.clone());
        } else {
            out.cancel_timer(Timer::Drive);
        }
    }

    /// How many coordinators decide.
    fn majority(&self, state: &StateOf<V, S>) -> usize {
        if self.mechanisms.lacks(Mechanism::ViewsByMajority) {
            return 1;
        }
        state.decided.coordinators().len() / 2 + 1
    }
}

impl<V: View, S: Store<Key, Row<V>>> StateOf<V, S> {
    fn save_vote<M: Mechanisms>(&mut self, out: &mut Out<Coordinator<V, S, M>>) {
        if let Some(promised) = self.promised {
            let accepted = self.accepted.clone();
            self.store.put(Key::Vote, Row::Vote { promised, accepted });
            out.save(self.store.clone());
        }
    }
}
