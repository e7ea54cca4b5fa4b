//! Who decides the sequence of views: the "master" of chain replication, made of one, three or five.
//!
//! A *view* says who serves in an *epoch*, and in which role. Coordinators decide one view an epoch, each
//! by one instance of Paxos (Lamport, "Paxos Made Simple", 2001), whose acceptors are the coordinators
//! that the view before it names. They also hear the members' heartbeats, and so suspect those that fall
//! silent; and they grant *leases*, the right to answer reads. What a view is they do not know: a
//! [`View`] says which successions it permits and which it would choose.
//!
//! | message | from → to | purpose |
//! |---|---|---|
//! | [`Heartbeat`](Msg::Heartbeat) / [`Lease`](Msg::Lease) | member ↔ coordinator | liveness, and the epoch that the member has installed; the right to answer reads |
//! | [`Ask`](Msg::Ask) / [`Install`](Msg::Install) | anyone → coordinator; coordinator → anyone | the newest decided view |
//! | [`Report`](Msg::Report) | member → coordinator | what bears on the next view |
//! | [`Prepare`](Msg::Prepare) / [`Promise`](Msg::Promise) | proposer ↔ acceptor | Paxos, phase 1 |
//! | [`Accept`](Msg::Accept) / [`Accepted`](Msg::Accepted) | proposer ↔ acceptor | Paxos, phase 2 |
//!
//! # One view an epoch
//!
//! - **Acceptors work on one epoch**, the one after the newest view that they know to be decided. A
//!   `Prepare` for epoch e+1 carries the decided view e: an acceptor that did not know it installs it, and
//!   only then drops its promise and vote of epoch e. An acceptor that knows e+1 to be decided answers
//!   with that view, and never promises. So a proposer that slept through an epoch learns it, and cannot
//!   decide it a second time with acceptors that have dropped their votes.
//! - **Ballots are never reused.** A proposer is an acceptor too. It promises its own ballot, durably,
//!   before it asks anyone else, and a ballot is above all that it has promised: so a restart cannot
//!   propose two views with one ballot, and needs no counter of its own.
//! - **Refusals are silent.** Whoever gets nowhere begins a higher ballot after a random wait, and each
//!   attempt of one is seen by the others, so ballots converge. No message of the protocol is sent again:
//!   a new ballot does what sending again would.
//! - **An undecided vote is finished.** An acceptor that has voted and hears of no decision for a while
//!   proposes the epoch itself: the proposer may have died between the votes and the announcement.
//! - **A lost announcement repairs itself**: heartbeats carry the member's epoch, and a coordinator
//!   answers an older one with the view. Whoever sends no heartbeats asks.
//!
//! # Leases
//!
//! A lease lets a member answer reads without asking anyone, because no view leaves it out while the
//! lease lives. (Gray & Cheriton, "Leases", SOSP '89.) The member sends a numbered heartbeat; a
//! coordinator that knows the member to be in the newest view answers with a grant of the same number;
//! grants of a majority for *one* heartbeat are a lease, which the member counts from when it *sent*
//! that heartbeat, and which is over well before any granter's own timer for the same grant ends.
//!
//! The wait is tied to the vote:
//!
//! - an acceptor refuses to vote for a view that leaves a member out while a grant of its own to that
//!   member may be live;
//! - once it has voted for such a view, it grants the member nothing: its vote is durable, and so is that;
//! - once it is asked to vote for such a view, it grants the member nothing either, for the member may be alive,
//!   and its grants would never end, while some have voted already and nothing else can be decided. This is
//!   for progress alone, so it is volatile, and over when nobody asks again;
//! - a coordinator that starts assumes that it granted every member a lease at that moment.
//!
//! So of the majority that granted and the majority that voted, someone is in both, and its grant had run
//! out when it voted: *if a member holds a lease, then it is in every view from the one that it has
//! installed to the newest decided one*. That sentence is all that reads need. It speaks of no particular
//! epoch, so a lease outlives the installation of a view, and reads do not pause when somebody else is
//! removed. (What that takes is that no grant ever answers another heartbeat than its own: numbers do not
//! begin again within a start of the member, and starts are counted, durably, in `boot`; and that grants
//! are remembered across epochs.)
//!
//! The assumption about clocks is the only one, and it is about *rates*: the member's timer, set first
//! and for less, ends before the granter's, set later and for longer.
//!
//! # Copies
//!
//! A coordinator keeps a number of *copies*: it wishes for no view, and votes for none, that leaves members out
//! so that fewer than these are left ([`View::keeps`]), whatever it suspects. Those who are gone may come back
//! with their disks; a view without them would let what is acknowledged rest on one. An operator who knows that
//! they will not may say so, and the view that follows says in turn how many suffice. The number is each
//! coordinator's own: a majority of the same mind has its way, and no disagreement makes a lease unsafe.
//!
//! # Suspicion
//!
//! A suspicion that is false costs no safety, and a copy for as long as it takes to make one. So views change for
//! the dead, and not for the slow (after Dadgar, Phillips & Currey, "Lifeguard", 2018):
//!
//! - **After a false suspicion silence may last longer**, up to [eight times](Timeouts::doublings): whoever was
//!   suspected, or left out, and is heard in the *same start* again, was alive. It shrinks back, step by step,
//!   as heartbeats come in time.
//! - **Where most are suspected at once**, a coordinator waits as long again before it proposes: it is likely that it
//!   was late itself. A process that was paused finds all its timers due before it reads a message; whoever is
//!   then heard is a suspect no more.
//!
//! # Giving up
//!
//! Where an operator has written so, coordinators give up those without whom parts of the data have no majority, after
//! a while. That loses what only they had, and one coordinator that hears nobody holds everybody to be gone: so each
//! says to the others whom it would give up, takes it back when it sees everything served again, and it counts when a
//! majority of the coordinators say so. One that is not configured so says nothing, and is against it.
//!
//! # What is left out
//!
//! The coordinators themselves do not change. A coordinator that lost its disk must not come back.

mod view;

pub use view::View;

use crate::mechanism::{Intact, Mechanism, Mechanisms};
use crate::nested::with_some;
use crate::prune::Prune;
use crate::store::Store;
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

/// How much the clocks of two machines may differ: the slower one runs at 5/6 of the rate of the faster one, at
/// least. So a lease ends before its grant, which is armed later, if `lease * 6 <= grant * 5`. This is the one
/// assumption about clocks.
pub const RATES: (u32, u32) = (5, 6);

/// How many heartbeats of each member come in time before a coordinator doubts its suspicions less.
const CALM: usize = 100;

/// A coordinator, as a value: what it is configured with. Its state is a [`CoordinatorState`].
#[derive(Clone, Debug)]
pub struct Coordinator<V, S, M = Intact> {
    followers: Vec<Id>,
    timeouts: Timeouts,
    copies: usize,
    mechanisms: M,
    types: PhantomData<(V, S)>,
}

/// What a coordinator knows.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct CoordinatorState<V, R, S> {
    /// All that survives a crash. Invariant: equal to what was last saved, after every handler.
    pub store: S,
    /// Mirrors [`Key::Decided`]: the newest view that it knows to be decided. Invariant: its epoch never
    /// goes back.
    pub decided: V,
    /// Mirrors [`Key::Vote`], for the epoch after `decided`: it takes part in no ballot below this one.
    /// Invariant: within an epoch, never goes back.
    pub promised: Option<Ballot>,
    /// Mirrors [`Key::Vote`]: the newest vote, in the epoch after `decided`. Invariants: not above
    /// `promised`; whoever it leaves out is granted nothing.
    pub accepted: Option<(Ballot, V)>,
    /// What it proposes itself, if anything.
    pub proposal: Option<Proposal<V>>,
    /// The members that it has not heard from for too long.
    pub suspects: BTreeSet<Id>,
    /// What members have reported since the newest view, each one's newest.
    pub reports: BTreeMap<Id, R>,
    /// Those that were to become members and fell silent: how often in a row, and how many more of their
    /// reports to pass over before they are heeded again.
    pub failed: BTreeMap<Id, (u32, u32)>,
    /// The newest heartbeat of each member, by its start and number.
    pub heard: BTreeMap<Id, (u32, u64)>,
    /// Those that it granted leases to since it started, or assumes to have granted; true while a grant
    /// may be live, false once its own timer for the newest one has ended.
    pub leases: BTreeMap<Id, bool>,
    /// The newest view that it was asked to vote for and could not yet, in the epoch after `decided`, until nobody
    /// insists on it. Whoever it leaves out is granted nothing: the grants of a member that lives would never end,
    /// and where others have voted for the view already, nothing else can be decided.
    pub withheld: Option<V>,
    /// How far it doubts its own suspicions.
    pub doubt: Doubt,
    /// Whether parts of the data have no majority as far as it was told, and it is configured to give up those who are
    /// gone, after a while.
    pub unserved: bool,
}

/// How far a coordinator doubts its own suspicions. All of it is volatile, and nothing where
/// [`Timeouts::doublings`] is 0, as in models: there silence has no length.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Doubt {
    /// How often the silence after which it suspects is doubled.
    pub level: u32,
    /// How many heartbeats it has heard since the last false suspicion, or since the level fell.
    pub calm: u32,
    /// How many suspicions were false since it started: who was suspected, or left out, was alive all the time.
    pub wrong: u64,
    /// Those who were left out, each in the start in which it was heard last.
    pub left_out: BTreeMap<Id, u32>,
}

/// A proposal under way.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Proposal<V> {
    /// Its ballot. Invariant: used by nobody else, and for nothing else, in this epoch.
    pub ballot: Ballot,
    /// Phase 1: who promised, and what each had voted for.
    pub promises: BTreeMap<Id, Option<(Ballot, V)>>,
    /// Phase 2: what is proposed. Invariant: never another one in this ballot.
    pub view: Option<V>,
    /// Phase 2: who voted for it.
    pub votes: BTreeSet<Id>,
}

/// The number of an attempt to decide an epoch.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ballot {
    /// Grows with every attempt.
    pub round: u32,
    /// Whose attempt it is: makes ballots of one round different.
    pub proposer: Id,
}

/// What coordinators, members and followers say to each other; the [module's table](self) tells who to
/// whom.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Msg<V, R> {
    /// When a member is alive, and wants a lease.
    Heartbeat {
        /// Which start of the member.
        boot: u32,
        /// The number of this heartbeat in that start.
        n: u64,
        /// The epoch that the member has installed.
        epoch: u64,
    },
    /// When a coordinator grants its part of a lease.
    Lease {
        /// Of the heartbeat.
        boot: u32,
        /// Of the heartbeat.
        n: u64,
    },
    /// When somebody wants to know whether there is a newer view.
    Ask {
        /// The epoch of the newest view that the sender knows.
        epoch: u64,
    },
    /// When a view is decided, and when somebody shows that they do not know.
    Install {
        /// The decided view.
        view: V,
    },
    /// When a member has something to say that bears on the next view.
    Report(R),
    /// When a proposer begins a ballot for the epoch after `decided`.
    Prepare {
        /// The decided view that it follows.
        decided: V,
        /// Its ballot.
        ballot: Ballot,
    },
    /// When an acceptor takes part in a ballot.
    Promise {
        /// The epoch to be decided.
        epoch: u64,
        /// The ballot.
        ballot: Ballot,
        /// Its newest vote.
        accepted: Option<(Ballot, V)>,
    },
    /// When a proposer asks for votes.
    Accept {
        /// The ballot.
        ballot: Ballot,
        /// The view to vote for.
        view: V,
    },
    /// When an acceptor has voted.
    Accepted {
        /// The epoch to be decided.
        epoch: u64,
        /// The ballot.
        ballot: Ballot,
    },
}

/// The timers of a coordinator.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Timer {
    /// When a member has been silent for too long.
    Suspect(Id),
    /// When the newest grant to a member has certainly ended there.
    Expire(Id),
    /// When an epoch is still undecided: propose, or propose again.
    Drive,
    /// When parts of the data have been without a majority for long: say whom it would give up.
    GiveUp,
}

/// How long to wait for what, in the business of views.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// How often a member sends a heartbeat.
    pub heartbeat: Range<Duration>,
    /// How long a lease lasts, from when its heartbeat was sent. It must be less than `grant` by more than
    /// the rates of two clocks may differ: see [`RATES`].
    pub lease: Duration,
    /// How long a coordinator waits for a lease that it granted to end ([`Timer::Expire`]).
    pub grant: Duration,
    /// After how much silence a member is suspected ([`Timer::Suspect`]).
    pub suspect: Range<Duration>,
    /// The same, of a member that a coordinator has not heard from since it started itself: the nodes of
    /// a cluster do not all start in the same instant, and whoever is removed has to join anew.
    pub first_heartbeat: Range<Duration>,
    /// How much later each further coordinator acts on the same thing, so that one proposes and the
    /// others find it done.
    pub stagger: Duration,
    /// The same, of a member that may hold no lease: it is not one yet, and what it has learned so far would be
    /// lost. Nothing waits for it.
    pub suspect_newcomer: Range<Duration>,
    /// How long a coordinator waits after a suspicion before it proposes: what fails together is left out
    /// together, and whoever hears nobody hears it.
    pub gather: Duration,
    /// Of [`Timer::Drive`].
    pub drive: Range<Duration>,
    /// How often the silence after which a coordinator suspects is doubled at the most: once for each suspicion that
    /// proves false, and once less after each while of calm. 0 never doubles it.
    pub doublings: u32,
    /// How many reports of one who was to become a member, and fell silent, are passed over; twice as many
    /// each time, up to 64 times as many. They come as often as heartbeats do.
    pub pause: u32,
    /// Of [`Timer::GiveUp`]; `None` waits for those who are gone.
    pub give_up: Option<Duration>,
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

/// A message among coordinators of these views.
pub type MsgOf<V> = Msg<V, <V as View>::Report>;

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            heartbeat: Duration::from_millis(40)..Duration::from_millis(60),
            lease: Duration::from_millis(250),
            grant: Duration::from_millis(300),
            suspect: Duration::from_millis(300)..Duration::from_millis(350),
            first_heartbeat: Duration::from_secs(3)..Duration::from_millis(3500),
            suspect_newcomer: Duration::from_secs(3)..Duration::from_millis(3500),
            gather: Duration::from_millis(30),
            stagger: Duration::from_millis(60),
            drive: Duration::from_millis(100)..Duration::from_millis(200),
            doublings: 3,
            pause: 20,
            give_up: None,
        }
    }
}

impl<V: View, S: Store<Key, Row<V>>> Coordinator<V, S> {
    /// A coordinator that tells decided views to members, other coordinators and these `followers`, the
    /// gateways. Who the coordinators are is in the views.
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
        Coordinator { followers, timeouts, copies: 1, mechanisms, types: PhantomData }
    }

    /// The same, keeping at least so many copies: it wishes for no view that leaves fewer members, and votes for
    /// none.
    pub fn copies(mut self, copies: usize) -> Self {
        self.copies = copies;
        self
    }

    /// Resumes from the store. A coordinator without one refuses to run: it would have forgotten votes.
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
        if accepted.is_some() {
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
            Msg::Heartbeat { boot, n, epoch } => {
                self.on_heartbeat(id, state, src, (boot, n, epoch), out);
            }
            Msg::Ask { epoch } => self.on_ask(state, src, epoch, out),
            Msg::Install { view } => self.on_install(id, state, view, out),
            Msg::Report(report) => self.on_report(id, state, src, report, out),
            Msg::Prepare { decided, ballot } => {
                self.on_prepare(id, state, src, decided, ballot, out);
            }
            Msg::Promise { epoch, ballot, accepted } => {
                self.on_promise(id, state, src, (epoch, ballot, accepted), out);
            }
            Msg::Accept { ballot, view } => self.on_accept(state, src, ballot, view, out),
            Msg::Accepted { epoch, ballot } => {
                self.on_accepted(id, state, src, (epoch, ballot), out);
            }
            // Not for coordinators.
            Msg::Lease { .. } => {}
        }
    }

    /// A member lives, and wants a lease. Only a new heartbeat says so: a late one is history.
    fn on_heartbeat(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        (boot, n, epoch): (u32, u64, u64),
        out: &mut Out<Self>,
    ) {
        if epoch < state.decided.epoch() {
            let view = state.decided.clone();
            out.send(src, Msg::Install { view });
        } else if epoch > state.decided.epoch() {
            let epoch = state.decided.epoch();
            self.broadcast(id, &state.decided, Msg::Ask { epoch }, out);
        }
        let known = state.heard.get(&src);
        if !state.decided.members().contains(&src) || known >= Some(&(boot, n)) {
            return;
        }
        let state = state.to_mut();
        let before = state.heard.insert(src, (boot, n)).map(|(boot, _)| boot);
        let was_suspected = state.suspects.remove(&src);
        let left_out = state.doubt.left_out.remove(&src);
        if was_suspected && before == Some(boot) || left_out == Some(boot) {
            self.doubt(state);
        } else {
            self.trust(state);
        }
        if was_suspected && self.wishes(state).is_some() {
            out.set_timer(Timer::Drive, self.timeouts.drive.clone()); // what waited behind the suspicion
        }
        out.set_timer(
            Timer::Suspect(src),
            self.suspect(&state.decided, id, src, state.doubt.level),
        );
        if !state.decided.leased().contains(&src)
            || state.is_against(src, self.mechanisms.has(Mechanism::VoteEndsGrants))
        {
            return;
        }
        if state.leases.insert(src, true) != Some(true)
            || self.mechanisms.has(Mechanism::GrantsTimed)
        {
            out.set_timer(Timer::Expire(src), self.grant());
        }
        out.send(src, Msg::Lease { boot, n });
    }

    /// Somebody wants to know whether there is a newer view.
    fn on_ask(&self, state: &StateOf<V, S>, src: Id, epoch: u64, out: &mut Out<Self>) {
        if epoch < state.decided.epoch() {
            let view = state.decided.clone();
            out.send(src, Msg::Install { view });
        }
    }

    /// Another coordinator knows a decided view.
    fn on_install(&self, id: Id, state: &mut Cow<'_, StateOf<V, S>>, view: V, out: &mut Out<Self>) {
        if view.epoch() > state.decided.epoch() {
            self.install(id, state.to_mut(), view, out);
        }
    }

    /// A member says something that bears on the next view. The first coordinator acts at once.
    fn on_report(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        report: V::Report,
        out: &mut Out<Self>,
    ) {
        if state.reports.get(&src) == Some(&report)
            || !state.decided.heeds(src, &report) && self.mechanisms.has(Mechanism::ReportsHeeded)
        {
            return;
        }
        let state = state.to_mut();
        if let Some((_, pause @ 1..)) = state.failed.get_mut(&src) {
            *pause -= 1;
            return;
        }
        state.reports.insert(src, report);
        self.watch(id, state, out);
        if state.decided.coordinators().first() == Some(&id) {
            self.propose(id, state, out);
        } else if self.wishes(state).is_some() {
            out.set_timer(Timer::Drive, self.timeouts.drive.clone());
        }
    }

    /// Phase 1 at an acceptor.
    fn on_prepare(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        decided: V,
        ballot: Ballot,
        out: &mut Out<Self>,
    ) {
        if decided.epoch() < state.decided.epoch() {
            let epoch = decided.epoch() + 1;
            if !self.mechanisms.has(Mechanism::DecidedAnswers) {
                return out.send(src, Msg::Promise { epoch, ballot, accepted: None });
            }
            let view = state.decided.clone();
            return out.send(src, Msg::Install { view });
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
        out.send(src, Msg::Promise { epoch, ballot, accepted });
    }

    /// Phase 1 at the proposer.
    fn on_promise(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        (epoch, ballot, accepted): (u64, Ballot, Option<(Ballot, V)>),
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
    fn on_accept(
        &self,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        ballot: Ballot,
        view: V,
        out: &mut Out<Self>,
    ) {
        let epoch = view.epoch();
        if epoch <= state.decided.epoch() {
            if !self.mechanisms.has(Mechanism::DecidedAnswers) {
                return out.send(src, Msg::Accepted { epoch, ballot });
            }
            let view = state.decided.clone();
            return out.send(src, Msg::Install { view });
        }
        if !state.decided.permits(&view)
            || !self.keeps_copies(state, &view)
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
        out.send(src, Msg::Accepted { epoch, ballot });
        out.set_timer(Timer::Drive, self.timeouts.drive.clone());
    }

    /// Phase 2 at the proposer.
    fn on_accepted(
        &self,
        id: Id,
        state: &mut Cow<'_, StateOf<V, S>>,
        src: Id,
        (epoch, ballot): (u64, Ballot),
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
                if state.accepted.is_some() || self.wishes(state).is_some() {
                    self.begin_ballot(id, state.to_mut(), out);
                } else if state.proposal.is_some() || state.withheld.is_some() {
                    let state = state.to_mut();
                    state.proposal = None;
                    state.withheld = None; // nobody insists
                }
            }
        }
    }

    /// Parts of the data may have lost their majority, or have one again.
    fn watch(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
        let Some(after) = self.timeouts.give_up else { return };
        let is_unserved = state.decided.unserved(&state.reports).is_some();
        if is_unserved == state.unserved {
            return;
        }
        state.unserved = is_unserved;
        if is_unserved {
            return out.set_timer(Timer::GiveUp, after..after);
        }
        out.cancel_timer(Timer::GiveUp);
        if let Some(report) = state.decided.would_give_up(BTreeSet::new(), false) {
            state.reports.remove(&id);
            self.broadcast(id, &state.decided, Msg::Report(report), out);
        }
    }

    /// They have had none for long: it says to all coordinators, and to itself, whom it would give up; again and again.
    fn give_up(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
        let alone = !self.mechanisms.has(Mechanism::GiveUpByMajority);
        let lost = state.decided.unserved(&state.reports);
        let report = lost.and_then(|lost| state.decided.would_give_up(lost, alone));
        let Some(report) = report else { return };
        state.reports.insert(id, report.clone());
        self.broadcast(id, &state.decided, Msg::Report(report), out);
        out.set_timer(Timer::GiveUp, self.timeouts.drive.clone());
        self.propose(id, state, out);
    }

    /// Proposes what it would like, unless something is under way already: then later.
    fn propose(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
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
    fn begin_ballot(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
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
        self.broadcast(id, &state.decided, Msg::Prepare { decided, ballot }, out);
        out.set_timer(Timer::Drive, self.timeouts.drive.clone());
        let accepted = state.accepted.clone();
        self.note_promise(id, state, id, accepted, out);
    }

    /// Counts a promise; a majority of them fixes what is proposed: the newest vote among them, which may
    /// have been decided already, or else what this coordinator would like.
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
        let newest = promises.into_values().flatten().max_by_key(|(ballot, _)| *ballot);
        if let Some((_, view)) = &newest {
            state.withheld = Some(view.clone());
        }
        let Some(view) = newest.map(|(_, view)| view).or(wishes) else {
            state.proposal = None; // what it was begun for has passed
            return;
        };
        let ballot = proposal.ballot;
        proposal.view = Some(view.clone());
        self.broadcast(id, &state.decided, Msg::Accept { ballot, view }, out);
        self.vote_for_own(id, state, out);
    }

    /// The proposer's own vote, which waits as everyone's does: tried again when a grant ends.
    fn vote_for_own(&self, id: Id, state: &mut StateOf<V, S>, out: &mut Out<Self>) {
        let Some(Proposal { ballot, view: Some(view), votes, .. }) = &state.proposal else {
            return;
        };
        if votes.contains(&id)
            || state.promised != Some(*ballot)
            || !state.may_leave_out(view) && self.mechanisms.has(Mechanism::LeaseWait)
            || !self.keeps_copies(state, view)
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
        if proposal.votes.len() < majority {
            return;
        }
        let Some(view) = proposal.view.clone() else { return };
        let mut audience: BTreeSet<Id> = self.followers.iter().copied().collect();
        for concerned in [&state.decided, &view] {
            audience.extend(concerned.members());
            audience.extend(concerned.coordinators());
        }
        audience.remove(&id);
        self.install(id, state, view.clone(), out);
        out.broadcast(&audience, &Msg::Install { view });
    }

    /// Moves on to the epoch after a decided view. What was promised and voted for up to it is dropped;
    /// grants are not: a member keeps its lease from one view to the next.
    fn install(&self, id: Id, state: &mut StateOf<V, S>, view: V, out: &mut Out<Self>) {
        let members = view.members();
        self.note_failed(state, &view);
        for member in state.decided.members().iter().filter(|member| !members.contains(member)) {
            out.cancel_timer(Timer::Suspect(*member));
            out.cancel_timer(Timer::Expire(*member));
        }
        let (watched, leased) = (state.decided.watched(), state.decided.leased());
        for member in &view.watched() {
            // That somebody else is left out is no sign of its life: its silence goes on.
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

    /// Who was to become a member, and is dropped, has to wait longer each time; who became one is trusted
    /// again.
    fn note_failed(&self, state: &mut StateOf<V, S>, view: &V) {
        let (members, learners) = (view.members(), view.on_probation());
        state.failed.retain(|id, _| !members.contains(id) || learners.contains(id));
        for learner in state.decided.on_probation() {
            if !members.contains(&learner) && self.timeouts.pause > 0 {
                let (times, pause) = state.failed.entry(learner).or_default();
                *pause = self.timeouts.pause << (*times).min(6);
                *times = times.saturating_add(1);
            }
        }
    }

    /// Tells the other coordinators.
    fn broadcast(&self, id: Id, view: &V, msg: MsgOf<V>, out: &mut Out<Self>) {
        let others = view.coordinators().iter().filter(|other| **other != id);
        out.broadcast(others, &msg);
    }

    /// How many coordinators decide.
    fn majority(&self, state: &StateOf<V, S>) -> usize {
        if !self.mechanisms.has(Mechanism::ViewsByMajority) {
            return 1;
        }
        state.decided.coordinators().len() / 2 + 1
    }

    /// Long enough for a grant to end, and then for those who have voted to ask once more.
    fn withholding(&self) -> Range<Duration> {
        let after = self.timeouts.grant + self.timeouts.drive.end;
        after..after + self.timeouts.drive.end
    }

    fn grant(&self) -> Range<Duration> {
        self.timeouts.grant..self.timeouts.grant
    }

    /// How long a member may be silent. One that is none yet is given long as it is, and others wait behind it.
    fn suspect(&self, view: &V, id: Id, member: Id, doubt: u32) -> Range<Duration> {
        let is_newcomer = !view.leased().contains(&member);
        let Timeouts { suspect, suspect_newcomer, .. } = &self.timeouts;
        let (silence, doublings) =
            if is_newcomer { (suspect_newcomer, doubt.min(1)) } else { (suspect, doubt) };
        let factor = 1 << doublings.min(16);
        self.in_turn(view, id, &(silence.start * factor..silence.end * factor))
    }

    /// How long to wait for more suspicions, and for whoever is heard again. Where most are suspected at once, it is
    /// likely that this coordinator was late itself, or its machine.
    fn gathering(&self, state: &StateOf<V, S>) -> Range<Duration> {
        let Timeouts { gather, suspect, .. } = &self.timeouts;
        let most = state.suspects.len() * 2 > state.decided.watched().len();
        if most { suspect.clone() } else { *gather..*gather }
    }

    /// A suspicion was false: the next one takes longer.
    fn doubt(&self, state: &mut StateOf<V, S>) {
        if self.timeouts.doublings > 0 {
            let doubt = &mut state.doubt;
            doubt.level = (doubt.level + 1).min(self.timeouts.doublings);
            doubt.calm = 0;
            doubt.wrong += 1;
        }
    }

    /// A heartbeat came in time.
    fn trust(&self, state: &mut StateOf<V, S>) {
        if state.doubt.level == 0 {
            return;
        }
        state.doubt.calm += 1;
        if state.doubt.calm as usize >= CALM * state.decided.watched().len() {
            (state.doubt.level, state.doubt.calm) = (state.doubt.level - 1, 0);
        }
    }

    /// Who is left out is remembered, in the start in which it was heard: heard in the same again, it had not died.
    fn note_left_out(&self, state: &mut StateOf<V, S>, members: &[Id]) {
        if self.timeouts.doublings > 0 {
            let (doubt, heard) = (&mut state.doubt, &state.heard);
            let left_out = heard.iter().filter(|(member, _)| !members.contains(member));
            doubt.left_out.extend(left_out.map(|(member, (boot, _))| (*member, *boot)));
        }
    }

    /// The view that this coordinator would have next.
    fn wishes(&self, state: &StateOf<V, S>) -> Option<V> {
        let copies = if self.mechanisms.has(Mechanism::CopiesKept) { self.copies } else { 1 };
        state.decided.next_keeping(copies, &state.suspects, &state.reports)
    }

    /// Whether this coordinator may vote for a view, as to how many copies it leaves.
    fn keeps_copies(&self, state: &StateOf<V, S>, view: &V) -> bool {
        state.decided.keeps(view, self.copies)
            || !self.mechanisms.has(Mechanism::CopiesKept)
            || !self.mechanisms.has(Mechanism::CopiesVoted)
    }

    fn first_heartbeat(&self, view: &V, id: Id) -> Range<Duration> {
        self.in_turn(view, id, &self.timeouts.first_heartbeat)
    }

    /// Coordinators suspect one after the other, so that one proposes and the others find it done.
    fn in_turn(&self, view: &V, id: Id, silence: &Range<Duration>) -> Range<Duration> {
        let place = view.coordinators().iter().position(|coordinator| *coordinator == id);
        let stagger = self.timeouts.stagger * place.unwrap_or(0) as u32;
        silence.start + stagger..silence.end + stagger
    }

    /// Decided epochs stay decided, and ballots below a promise stay below it.
    pub fn is_past(&self, state: &StateOf<V, S>, msg: &MsgOf<V>) -> bool {
        let next = state.decided.epoch() + 1;
        let lasting = self.mechanisms.has(Mechanism::PromiseSaved);
        let below = |ballot: &Ballot| lasting && Some(*ballot) < state.promised;
        // A ballot that it does not pursue now it will not pursue again.
        let pursued =
            |ballot: &Ballot| state.proposal.as_ref().filter(|proposal| proposal.ballot == *ballot);
        let foreign = |ballot: &Ballot| {
            lasting && Some(*ballot) <= state.promised && pursued(ballot).is_none()
        };
        match msg {
            Msg::Install { view } => view.epoch() < next,
            Msg::Prepare { decided, ballot } => {
                decided.epoch() + 1 == next && lasting && Some(*ballot) <= state.promised
            }
            Msg::Promise { epoch, ballot, .. } => {
                *epoch < next
                    || *epoch == next
                        && (below(ballot)
                            || foreign(ballot)
                            || lasting
                                && pursued(ballot).is_some_and(|proposal| proposal.view.is_some()))
            }
            Msg::Accept { ballot, view } => {
                view.epoch() == next
                    && (below(ballot)
                        || state.accepted.as_ref().is_some_and(|(voted, _)| voted >= ballot))
            }
            Msg::Accepted { epoch, ballot } => *epoch < next || *epoch == next && foreign(ballot),
            Msg::Lease { .. } => true,
            _ => false,
        }
    }
}

/// Views are decided among coordinators: what anyone else says of that is not listened to. Nor are numbers that
/// cannot be, since nobody counts that far.
fn is_believable<V: View>(decided: &V, src: Id, msg: &MsgOf<V>) -> bool {
    let is_one_of_them = || decided.coordinators().contains(&src);
    let is_epoch = |view: &V| view.epoch() < u64::MAX / 2;
    match msg {
        Msg::Heartbeat { .. } | Msg::Lease { .. } | Msg::Ask { .. } | Msg::Report(_) => true,
        Msg::Install { view } | Msg::Prepare { decided: view, .. } | Msg::Accept { view, .. } => {
            is_one_of_them() && is_epoch(view)
        }
        Msg::Promise { accepted, .. } => {
            is_one_of_them() && accepted.as_ref().is_none_or(|(_, view)| is_epoch(view))
        }
        Msg::Accepted { .. } => is_one_of_them(),
    }
}

impl<V: View, S: Store<Key, Row<V>>> StateOf<V, S> {
    /// Whether none of its own grants to those that `view` leaves out may be live.
    fn may_leave_out(&self, view: &V) -> bool {
        let mut left_out = self.decided.leased().iter().filter(|id| !view.leased().contains(id));
        left_out.all(|member| self.leases.get(member) != Some(&true))
    }

    /// Whether its newest vote, in an epoch that it does not know to be decided, leaves the member out, or a view
    /// that it is asked to vote for.
    fn is_against(&self, member: Id, has_voted_alone: bool) -> bool {
        let without = |view: &V| !view.leased().contains(&member);
        self.withheld.as_ref().is_some_and(without)
            || has_voted_alone && self.accepted.as_ref().is_some_and(|(_, view)| without(view))
    }

    fn save_vote<M: Mechanisms>(&mut self, out: &mut Out<Coordinator<V, S, M>>) {
        if let Some(promised) = self.promised {
            let accepted = self.accepted.clone();
            self.store.put(Key::Vote, Row::Vote { promised, accepted });
            out.save(self.store.clone());
        }
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

impl<V: View, S: Store<Key, Row<V>>, M: Mechanisms> Prune for Coordinator<V, S, M> {
    fn is_obsolete(&self, _: Id, state: &Self::State, _: Id, msg: &Self::Msg) -> bool {
        state.as_ref().is_some_and(|state| self.is_past(state, msg))
    }
}

impl Debug for Ballot {
    /// `round.proposer`, short enough for sequence diagrams.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round, usize::from(self.proposer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Key as ChainKey, Nested, Report, Row as ChainRow, View as Chain};
    use crate::store::MapStore;
    use stateright::actor::Command;

    /// Another coordinator has voted for a view without a member that is alive, so that nothing else can be
    /// decided: this one's grants to that member end, and it votes. Where nobody insists, grants go on.
    #[test]
    fn a_vote_that_others_insist_on_ends_grants() {
        let (this, other, third) = (Id::from(0), Id::from(1), Id::from(2));
        let (stays, leaves) = (Id::from(3), Id::from(4));
        let coordinator = Coordinator::new(Vec::new(), Timeouts::default());
        let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
        let first = Chain::new(1, vec![stays, leaves]).decided_by(vec![this, other, third]);
        Coordinator::init(&mut store, first.clone());
        let started = coordinator.start(this, Some(store), &mut Out::new());
        let mut state = Cow::Owned(started.expect("it has a store"));
        type State<'a> = Cow<'a, StateOf<Chain, Nested<MapStore<ChainKey, ChainRow>>>>;
        let says = |state: &mut State<'_>, src, msg| {
            let mut out = Out::new();
            coordinator.receive(this, state, src, msg, &mut out);
            out
        };
        let is_granted = |state: &mut State<'_>, n| {
            let out = says(state, leaves, Msg::Heartbeat { boot: 1, n, epoch: 1 });
            out.iter().any(|command| matches!(command, Command::Send(_, Msg::Lease { .. })))
        };
        let accept = |round| {
            let ballot = Ballot { round, proposer: other };
            let mut view = Chain { epoch: 2, ..first.clone() };
            view.chain.retain(|member| *member != leaves);
            Msg::Accept { ballot, view }
        };
        assert!(is_granted(&mut state, 1));
        says(&mut state, other, accept(1));
        assert!(state.accepted.is_none(), "its grant lives");
        assert!(!is_granted(&mut state, 2), "the grant is to end");
        coordinator.timeout(this, &mut state, &Timer::Drive, &mut Out::new());
        assert!(is_granted(&mut state, 3), "nobody insisted");
        says(&mut state, other, accept(2));
        coordinator.timeout(this, &mut state, &Timer::Expire(leaves), &mut Out::new());
        says(&mut state, other, accept(3));
        assert!(state.accepted.is_some() && !is_granted(&mut state, 4));
    }

    /// Joins again and again, and is dropped each time: it is named later each time, and at once again when it
    /// has become a member.
    #[test]
    fn who_keeps_failing_is_named_after_a_growing_pause() {
        let (this, member, newcomer) = (Id::from(0), Id::from(1), Id::from(2));
        let timeouts = Timeouts { pause: 3, ..Timeouts::default() };
        let coordinator = Coordinator::new(Vec::new(), timeouts);
        let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
        Coordinator::init(&mut store, Chain::new(1, vec![member]).decided_by(vec![this]));
        let started = coordinator.start(this, Some(store), &mut Out::new());
        let mut state = Cow::Owned(started.expect("it has a store"));
        let out = &mut Out::new();
        let mut reports_until_named = |state: &mut Cow<'_, StateOf<Chain, _>>| {
            let named = |state: &StateOf<Chain, _>| state.decided.learner() == Some(newcomer);
            let mut reports = 0;
            while !named(state) && reports < 100 {
                reports += 1;
                let join = Msg::Report(Report::Join);
                coordinator.receive(this, state, newcomer, join, out);
            }
            reports
        };
        for expected in [1, 4, 7, 13] {
            assert_eq!(reports_until_named(&mut state), expected);
            coordinator.timeout(this, &mut state, &Timer::Suspect(newcomer), &mut Out::new());
            assert!(state.decided.learner().is_some(), "others may fall silent with it");
            coordinator.timeout(this, &mut state, &Timer::Drive, &mut Out::new());
            assert_eq!(state.decided.learner(), None, "it fell silent");
        }
        while state.decided.learner().is_none() {
            reports_until_named(&mut state);
        }
        let ready = Msg::Report(Report::Ready { since: state.decided.epoch });
        coordinator.receive(this, &mut state, member, ready, &mut Out::new());
        assert_eq!(state.decided.chain, [member, newcomer]);
        assert!(state.failed.is_empty());
    }

    /// Two have died, and one of them is left out: that is no sign of life of the other, which is found out when it
    /// would have been.
    #[test]
    fn silence_goes_on_when_somebody_else_is_left_out() {
        let (this, other) = (Id::from(0), Id::from(1));
        let members: Vec<_> = (2..5).map(Id::from).collect();
        let coordinator = Coordinator::new(Vec::new(), Timeouts::default());
        let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
        let first = Chain::new(1, members.clone()).decided_by(vec![this, other]);
        Coordinator::init(&mut store, first.clone());
        let started = coordinator.start(this, Some(store), &mut Out::new());
        let mut state = Cow::Owned(started.expect("it has a store"));
        for member in &members {
            let alive = Msg::Heartbeat { boot: 1, n: 1, epoch: 1 };
            coordinator.receive(this, &mut state, *member, alive, &mut Out::new());
        }
        let mut view = Chain { epoch: 2, ..first };
        view.chain.pop();
        let mut out: Out<Coordinator<Chain, Nested<MapStore<ChainKey, ChainRow>>>> = Out::new();
        coordinator.receive(this, &mut state, other, Msg::Install { view }, &mut out);
        let touched = |member: Id| {
            out.iter().any(|command| match command {
                Command::SetTimer(timer, _) | Command::CancelTimer(timer) => {
                    *timer == Timer::Suspect(member)
                }
                _ => false,
            })
        };
        assert_eq!(
            members.iter().map(|member| touched(*member)).collect::<Vec<_>>(),
            [false, false, true]
        );
    }

    /// Members fall silent and are heard again in the same start: silence may last twice as long each time, eight times
    /// at the most, and shorter again as heartbeats come in time. One that starts anew had died, and is no reason.
    #[test]
    fn false_suspicions_take_longer_each_time() {
        type Heard = Out<Coordinator<Chain, Nested<MapStore<ChainKey, ChainRow>>>>;
        let this = Id::from(0);
        let members: Vec<_> = (2..5).map(Id::from).collect();
        let coordinator = Coordinator::new(Vec::new(), Timeouts::default()).copies(2);
        let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
        let first = Chain::new(1, members.clone()).decided_by(vec![this]);
        Coordinator::init(&mut store, first);
        let started = coordinator.start(this, Some(store), &mut Out::new());
        let mut state = Cow::Owned(started.expect("it has a store"));
        let mut n = 0;
        let mut alive = |state: &mut Cow<'_, StateOf<Chain, _>>, member: Id, boot| {
            n += 1;
            let epoch = state.decided.epoch;
            let mut out: Heard = Out::new();
            let heartbeat = Msg::Heartbeat { boot, n, epoch };
            coordinator.receive(this, state, member, heartbeat, &mut out);
            let silence = out.iter().find_map(|command| match command {
                Command::SetTimer(Timer::Suspect(_), silence) => Some(silence.start.as_millis()),
                _ => None,
            });
            silence.expect("it is awaited")
        };
        let suspect = |state: &mut Cow<'_, StateOf<Chain, _>>, member: Id| {
            coordinator.timeout(this, state, &Timer::Suspect(member), &mut Out::new());
        };
        for member in &members {
            assert_eq!(alive(&mut state, *member, 1), 300);
        }
        for expected in [600, 1200, 2400, 2400] {
            suspect(&mut state, members[1]);
            assert_eq!(alive(&mut state, members[1], 1), expected);
        }
        assert_eq!(state.doubt.wrong, 4);
        suspect(&mut state, members[1]);
        assert_eq!(alive(&mut state, members[1], 2), 2400, "it had died");
        assert_eq!(state.doubt.wrong, 4);
        let heartbeats = (0..CALM).flat_map(|_| members.iter());
        let silences: Vec<_> = heartbeats.map(|member| alive(&mut state, *member, 2)).collect();
        assert_eq!(silences.last(), Some(&1200));

        // It is left out, and returns as it was.
        state.to_mut().doubt.level = 0;
        suspect(&mut state, members[2]);
        for timer in [Timer::Drive, Timer::Expire(members[2])] {
            coordinator.timeout(this, &mut state, &timer, &mut Out::new());
        }
        assert_eq!(state.decided.chain, members[..2]);
        let join = Msg::Report(Report::Join);
        coordinator.receive(this, &mut state, members[2], join, &mut Out::new());
        alive(&mut state, members[2], 2);
        assert_eq!((state.doubt.level, state.doubt.wrong), (1, 5));
    }

    /// A coordinator that was late itself finds everyone silent, and then hears them one after the other: it waits for
    /// as long as it would have waited for one.
    #[test]
    fn who_suspects_most_waits_again() {
        type Told = Out<Coordinator<Chain, Nested<MapStore<ChainKey, ChainRow>>>>;
        let this = Id::from(0);
        let members: Vec<_> = (2..5).map(Id::from).collect();
        let coordinator = Coordinator::new(Vec::new(), Timeouts::default());
        let mut store = Nested(MapStore::<ChainKey, ChainRow>::default());
        Coordinator::init(&mut store, Chain::new(1, members.clone()).decided_by(vec![this]));
        let started = coordinator.start(this, Some(store), &mut Out::new());
        let mut state = Cow::Owned(started.expect("it has a store"));
        let mut waits = |member: Id| {
            let mut out: Told = Out::new();
            coordinator.timeout(this, &mut state, &Timer::Suspect(member), &mut out);
            out.iter().find_map(|command| match command {
                Command::SetTimer(Timer::Drive, wait) => Some(wait.start.as_millis()),
                _ => None,
            })
        };
        assert_eq!(
            members.iter().map(|it| waits(*it)).collect::<Vec<_>>(),
            [Some(30), Some(300), None]
        );
    }
}
