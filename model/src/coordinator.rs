//! The coordinators, which decide the sequence of views: the "master" of chain replication, made of
//! one, three or five.
//!
//! A *view* says which actors serve in an *epoch*, and in which role. Coordinators decide one view
//! an epoch, each by one instance of Paxos (Lamport, "Paxos Made Simple", 2001), whose acceptors
//! are the coordinators that the view before it names. They also hear the members' heartbeats, and
//! so suspect those that fall silent; and they grant *leases*, the right to answer reads. What a
//! view is they do not know: a [`View`] says which successions it permits and which it would
//! choose.
//!
//! | message | from → to | purpose |
//! |---|---|---|
//! | [`Heartbeat`](Msg::Heartbeat) / [`Lease`](Msg::Lease) | member ↔ coordinator | liveness, and the epoch that the member has installed; the right to answer reads |
//! | [`Ask`](Msg::Ask) / [`Install`](Msg::Install) | any actor → coordinator; coordinator → any actor | the newest decided view |
//! | [`Report`](Msg::Report) | member → coordinator | what bears on the next view |
//! | [`Prepare`](Msg::Prepare) / [`Promise`](Msg::Promise) | proposer ↔ acceptor | Paxos, phase 1 |
//! | [`Accept`](Msg::Accept) / [`Accepted`](Msg::Accepted) | proposer ↔ acceptor | Paxos, phase 2 |
//!
//! # One view an epoch
//!
//! - **Acceptors work on one epoch**, the one after the newest view that they know to be decided. A
//!   `Prepare` for epoch e+1 carries the decided view e: an acceptor that did not know it installs
//!   it, and only then drops its promise and vote of epoch e. An acceptor that knows e+1 to be
//!   decided answers with that view, and never promises. So a proposer that slept through an epoch
//!   learns it, and cannot decide it a second time with acceptors that have dropped their votes.
//! - **Ballots are never reused.** A proposer is an acceptor too. It promises its own ballot,
//!   durably, before it asks any other, and a ballot is above all that it has promised: so a
//!   restart cannot propose two views with one ballot, and needs no counter of its own.
//! - **Refusals are silent.** A proposer that gets nowhere begins a higher ballot after a random
//!   wait, and each attempt of one is seen by the others, so ballots converge. No message of the
//!   protocol is sent again: a new ballot does what sending again would.
//! - **An undecided vote is finished.** An acceptor that has voted and hears of no decision for a
//!   while proposes the epoch itself: the proposer may have died between the votes and the
//!   announcement.
//! - **A lost announcement repairs itself**: heartbeats carry the member's epoch, and a coordinator
//!   answers an older one with the view. An actor that sends no heartbeats asks.
//!
//! # Leases
//!
//! A lease lets a member answer reads without asking another actor, because no view leaves it out
//! while the lease lives. (Gray & Cheriton, "Leases", SOSP '89.) The member sends a numbered
//! heartbeat; a coordinator that knows the member to be in the newest view answers with a grant of
//! the same number; grants of a majority for *one* heartbeat are a lease, which the member counts
//! from when it *sent* that heartbeat, and which is over well before any granter's own timer for
//! the same grant ends.
//!
//! The wait is tied to the vote:
//!
//! - an acceptor refuses to vote for a view that leaves a member out while a grant of its own to
//!   that member may be live;
//! - once it has voted for such a view, it grants the member nothing: its vote is durable, and so
//!   is that;
//! - once it is asked to vote for such a view, it grants the member nothing either, for the member
//!   may be alive, and its grants would never end, while some have voted already and nothing else
//!   can be decided. This is for progress alone, so it is volatile, and over when no
//!   proposer asks again;
//! - a coordinator that starts assumes that it granted every member a lease at that moment.
//!
//! So of the majority that granted and the majority that voted, one is in both, and its grant had
//! run out when it voted: *if a member holds a lease, then it is in every view from the one that it
//! has installed to the newest decided one*. That sentence is all that reads need. It speaks of no
//! particular epoch, so a lease outlives the installation of a view, and reads do not pause when
//! another member is removed. (What that takes is that no grant ever answers another heartbeat than
//! its own: numbers do not begin again within a start of the member, and starts are counted,
//! durably, in `boot`; and that grants are remembered across epochs.)
//!
//! The assumption about clocks is the only one, and it is about *rates*: the member's timer, set
//! first and for less, ends before the granter's, set later and for longer.
//!
//! # Copies
//!
//! A coordinator keeps a number of *copies*: it wishes for no view, and votes for none, that leaves
//! members out so that fewer than these are left ([`View::keeps`]), whatever it suspects. Members
//! that are gone may come back with their disks; a view without them would let what is acknowledged
//! rest on one. An operator that knows that they will not may say so, and the view that follows
//! says in turn how many suffice. The number is each coordinator's own: a majority of the same mind
//! has its way, and no disagreement makes a lease unsafe.
//!
//! A vote cannot be taken back within its epoch, and whoever finds it has to propose it again. So a
//! coordinator that keeps fewer copies than [is usual](Coordinator::usual) and votes for a view
//! that the others refuse would stop all views where it is needed for a majority. Such a view its
//! proposer votes for *last*: when a majority needs its own vote only, and has it. One whose number
//! is lower by mistake then proposes in vain, and holds up nobody. (Two of five that keep fewer may
//! still hold up views while two of the other three are down: one of them votes before the other.
//! That is safe, and over when a third of those lives; nodes say whose files differ.)
//!
//! # Suspicion
//!
//! A suspicion that is false costs no safety, and a copy for as long as it takes to make one. So
//! views change for the dead, and not for the slow (after Dadgar, Phillips & Currey, "Lifeguard",
//! 2018):
//!
//! - **After a false suspicion silence may last longer**, up to [eight times](Timeouts::doublings):
//!   a member that was suspected, or left out, and is heard in the *same start* again, was alive.
//!   It shrinks back, step by step, as heartbeats come in time.
//! - **Where most are suspected at once**, a coordinator waits as long again before it proposes: it
//!   is likely that it was late itself. A process that was paused finds all its timers due before
//!   it reads a message; a member that is then heard is a suspect no more.
//!
//! # Giving up
//!
//! Where an operator has written so, coordinators give up nodes without which parts of the data
//! have no majority, after a while. That loses what only they had, and one coordinator that hears
//! no other holds all others to be gone: so each says to the others which nodes it would give up,
//! takes it back when it sees everything served again, and it counts when a majority of the
//! coordinators say so. One that is not configured so says nothing, and is against it.
//!
//! # What is left out
//!
//! The coordinators themselves do not change. A coordinator that lost its disk must not come back.

mod bounds;
mod consensus;
mod leases;
pub mod msg;
mod obsolete;
mod suspicion;
mod timeouts;
mod view;

pub use consensus::Proposal;
pub use msg::{Ballot, Msg, MsgOf};
pub use suspicion::Doubt;
pub use timeouts::{RATES, Timeouts, Timer};
pub use view::View;

use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::nested::with_some;
use crate::store::Store;
use bounds::is_believable;
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

/// A coordinator, as a value: what it is configured with. Its state is a [`CoordinatorState`].
#[derive(Clone, Debug)]
pub struct Coordinator<V, S, M = Intact> {
    followers: Vec<Id>,
    timeouts: Timeouts,
    copies: usize,
    usual: usize,
    mechanisms: M,
    types: PhantomData<(V, S)>,
}

/// What a coordinator knows.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct CoordinatorState<V, R, S> {
    /// All that survives a crash. Invariant: equal to what was last saved, after every handler.
    pub store: S,
    /// Mirrors [`Key::Decided`]: the newest view that it knows to be decided. Invariant: its epoch
    /// never goes back.
    pub decided: V,
    /// Mirrors [`Key::Vote`], for the epoch after `decided`: it takes part in no ballot below this
    /// one. Invariant: within an epoch, never goes back.
    pub promised: Option<Ballot>,
    /// Mirrors [`Key::Vote`]: the newest vote, in the epoch after `decided`. Invariants: not above
    /// `promised`; a member that it leaves out is granted nothing.
    pub accepted: Option<(Ballot, V)>,
    /// What it proposes itself, if anything.
    pub proposal: Option<Proposal<V>>,
    /// The members that it has not heard from for too long.
    pub suspects: BTreeSet<Id>,
    /// What members have reported since the newest view, each one's newest.
    pub reports: BTreeMap<Id, R>,
    /// Those that were to become members and fell silent: how often in a row, and how many more of
    /// their reports to pass over before they are heeded again.
    pub failed: BTreeMap<Id, (u32, u32)>,
    /// The newest heartbeat of each member, by its start and number.
    pub heard: BTreeMap<Id, (u32, u64)>,
    /// Those that it granted leases to since it started, or assumes to have granted; true while a
    /// grant may be live, false once its own timer for the newest one has ended.
    pub leases: BTreeMap<Id, bool>,
    /// The newest view that it was asked to vote for and could not yet, in the epoch after
    /// `decided`, until no proposer insists on it. A member that it leaves out is granted nothing:
    /// the grants of a member that lives would never end, and where others have voted for the view
    /// already, nothing else can be decided.
    pub withheld: Option<V>,
    /// How far it doubts its own suspicions.
    pub doubt: Doubt,
    /// Whether parts of the data have no majority as far as it was told, and it is configured
    /// to give up nodes that are gone, after a while.
    pub unserved: bool,
}

/// The keys of a coordinator's store.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Key {
    /// The newest decided view; holds a [`Row::Decided`].
    Decided,
    /// Promise and vote for the epoch after it; holds a [`Row::Vote`].
    Vote,
}

/// The rows of a coordinator's store.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Row<V> {
    /// At [`Key::Decided`].
    Decided(V),
    /// At [`Key::Vote`].
    Vote {
        /// The highest ballot promised.
        promised: Ballot,
        /// The newest vote.
        accepted: Option<(Ballot, V)>,
    },
}

/// The state of a coordinator of these views with this store.
pub type StateOf<V, S> = CoordinatorState<V, <V as View>::Report, S>;

impl<V: View, S: Store<Key, Row<V>>> Coordinator<V, S> {
    /// A coordinator that tells decided views to members, other coordinators and these `followers`,
    /// the gateways. Which the coordinators are is in the views.
    pub fn new(followers: Vec<Id>, timeouts: Timeouts) -> Self {
        Self::with(followers, timeouts, Intact)
    }

    /// Fills a new store, once in its life, with the view that the cluster begins with.
    pub fn init(store: &mut S, first: V) {
        store.put(Key::Decided, Row::Decided(first));
    }
}

impl<V: View, S: Store<Key, Row<V>>, M: Mechanisms> Coordinator<V, S, M> {
    /// A coordinator that has these mechanisms.
    pub fn with(followers: Vec<Id>, timeouts: Timeouts, mechanisms: M) -> Self {
        Coordinator { followers, timeouts, copies: 1, usual: 1, mechanisms, types: PhantomData }
    }

    /// The same, keeping at least so many copies: it wishes for no view that leaves fewer members,
    /// and votes for none.
    pub fn copies(mut self, copies: usize) -> Self {
        self.copies = copies;
        self
    }

    /// The same, where the others are taken to keep so many copies, unless they were told
    /// otherwise: what leaves fewer is voted for last by its proposer.
    pub fn usual(mut self, copies: usize) -> Self {
        self.usual = copies;
        self
    }

    /// How many copies it keeps.
    pub fn copies_bound(&self) -> usize {
        self.copies
    }

    /// Resumes from the store. A coordinator without one refuses to run: it would have forgotten
    /// votes.
    pub fn start(&self, id: Id, storage: Option<S>, out: &mut Out<Self>) -> Option<StateOf<V, S>> {
        let store = storage?;
        let Some(Row::Decided(decided)) = store.get(&Key::Decided) else {
            return None;
        };
        let (promised, accepted) = match store.get(&Key::Vote) {
            Some(Row::Vote { promised, accepted }) => (Some(promised), accepted),
            _ => (None, None),
        };
        let mut leases = BTreeMap::new();
        if self.mechanisms.has(Mechanism::GrantsAssumed) {
            for member in decided.leased() {
                leases.insert(*member, true);
                out.set_timer(Timer::Expire(*member), self.grant());
            }
        }
        for member in decided.watched() {
            out.set_timer(Timer::Suspect(member), self.first_heartbeat(&decided, id));
        }
        if accepted.is_some() && self.mechanisms.has(Mechanism::VotesFinished) {
            out.set_timer(Timer::Drive, self.timeouts.drive.clone());
        }
        Some(CoordinatorState {
            store,
            decided,
            promised,
            accepted,
            proposal: None,
            suspects: BTreeSet::new(),
            reports: BTreeMap::new(),
            failed: BTreeMap::new(),
            heard: BTreeMap::new(),
            leases,
            withheld: None,
            doubt: Doubt::default(),
            unserved: false,
        })
    }

    /// Handles a message.
    pub fn receive(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        msg: MsgOf<V>,
        out: &mut Out<Self>,
    ) {
        if !is_believable(&state.decided, src, &msg) {
            return;
        }
        match msg {
            Msg::Heartbeat(heartbeat) => self.on_heartbeat(id, state, src, heartbeat, out),
            Msg::Ask(ask) => self.on_ask(state, src, ask, out),
            Msg::Install(install) => self.on_install(id, state, install, out),
            Msg::Report(report) => self.on_report(id, state, src, report, out),
            Msg::Prepare(prepare) => self.on_prepare(id, state, src, prepare, out),
            Msg::Promise(promise) => self.on_promise(id, state, src, promise, out),
            Msg::Accept(accept) => self.on_accept(state, src, accept, out),
            Msg::Accepted(accepted) => self.on_accepted(id, state, src, accepted, out),
            // Not for coordinators.
            Msg::Lease(_) => {}
        }
    }

    /// Handles a timer.
    pub fn timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        match timer {
            Timer::Suspect(member) => {
                let state = state.to_mut();
                state.suspects.insert(*member);
                if self.wishes(state).is_some() {
                    let is_free = state.proposal.is_none() && state.accepted.is_none();
                    let drive = || self.timeouts.drive.clone();
                    let wait = if is_free { self.gathering(state) } else { drive() };
                    out.set_timer(Timer::Drive, wait);
                }
            }
            Timer::Expire(member) => {
                let state = state.to_mut();
                state.leases.insert(*member, false);
                self.vote_for_own(id, state, out);
            }
            Timer::GiveUp => self.give_up(id, state.to_mut(), out),
            Timer::Drive => {
                if state.proposal.is_some() && !self.mechanisms.has(Mechanism::ProposesAgain) {
                    return;
                }
                if state.accepted.is_some() || self.wishes(state).is_some() {
                    self.begin_ballot(id, state.to_mut(), out);
                } else if state.proposal.is_some() || state.withheld.is_some() {
                    let state = state.to_mut();
                    state.proposal = None;
                    state.withheld = None; // no proposer insists
                }
            }
        }
    }

    /// Tells the other coordinators.
    fn broadcast(&self, id: Id, view: &V, msg: MsgOf<V>, out: &mut Out<Self>) {
        let others = view.coordinators().iter().filter(|other| **other != id);
        out.broadcast(others, &msg);
    }
}

impl<V: View, S: Store<Key, Row<V>>, M: Mechanisms> Actor for Coordinator<V, S, M> {
    type Msg = MsgOf<V>;
    type Timer = Timer;
    /// `None` when it has no store, and refuses to run.
    type State = Option<StateOf<V, S>>;
    type Storage = S;
    type Random = ();

    fn on_start(&self, id: Id, storage: &Option<S>, out: &mut Out<Self>) -> Self::State {
        self.start(id, storage.clone(), out)
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, Self::State>,
        src: Id,
        msg: Self::Msg,
        out: &mut Out<Self>,
    ) {
        with_some(state, |part| self.receive(id, part, src, msg, out));
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, Self::State>,
        timer: &Timer,
        out: &mut Out<Self>,
    ) {
        with_some(state, |part| self.timeout(id, part, timer, out));
    }

    fn name(&self) -> String {
        "coordinator".to_string()
    }
}

#[cfg(test)]
mod tests;
