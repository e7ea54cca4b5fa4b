//! Configurations of a chain, as values.

mod display;
mod stores;

use super::reached::Reached;
use super::world::{FIRST_EPOCH, ProofActor, ProofStore};
use crate::checker::schedule::numbered;
use chainring_model::Mechanisms;
use chainring_model::chain::msg::Update;
use chainring_model::chain::{
    self, Entry, Gateway, Msg, Nested, Reads, Replica, Row, Script, Timeouts, View, retained_bytes,
};
use chainring_model::coordinator::{self, Coordinator};
use chainring_model::kv::{Key, Op, OpId};
use stateright::actor::{Envelope, Id, model_timeout};
use std::time::Duration;

/// What one client does, and which replica its gateway reads from (the tail where none is named).
#[derive(Clone, Debug)]
pub struct Client {
    /// The replica's place in the chain.
    pub nearest: Option<usize>,
    /// Which replica may answer its reads.
    pub reads: Reads,
    /// What it does in each of its gateway's lanes, in order; lanes go on side by side.
    pub lanes: Vec<Vec<(Key, Op)>>,
    /// Where its reads are listings: of how many keys at the most.
    pub lists: Option<u32>,
}

/// A system to check: replicas `0..n` in a chain, then a gateway for each client, then the clients,
/// then the coordinators.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many replicas are in the first view's chain.
    pub replicas: usize,
    /// How many more there are, which would like to join.
    pub joiners: usize,
    /// Whether the first view names the first of these as its learner, which has not begun.
    pub taught: bool,
    /// What the chain's stores hold at the start, and the first joiner's from an earlier time.
    pub stored: Stored,
    /// How many rows a part of a transfer has; as many as in production if none is given.
    pub parts: Option<usize>,
    /// How many entries, of keys of one letter, replicas retain for members that return.
    pub retained: usize,
    /// The clients, each behind a gateway of its own.
    pub clients: Vec<Client>,
    /// How many crashes, each with a recovery, in all.
    pub crashes: u8,
    /// Which actors may crash.
    pub mortal: Mortal,
    /// Whether an actor that crashes loses its store.
    pub disks_lost: bool,
    /// Whether an update of an earlier epoch is under way at the start; see [`Setup::late`].
    pub late: bool,
    /// Whether messages are lost for good.
    pub lossy: bool,
    /// Whether a deadline may pass at any moment.
    pub deadlines: bool,
    /// Whether gateways begin with an older view, of the reversed chain.
    pub stale_gateways: bool,
    /// How many coordinators decide views; without any, the first one stays.
    pub coordinators: usize,
    /// How many of them suspect members, each any member at any time.
    pub proposers: usize,
    /// How many view changes there are, at the most.
    pub views: u64,
    /// Whether a coordinator goes on suspecting, and begins another ballot, while a proposal of its
    /// own waits: so that several members are removed at once, and members are heard again in
    /// between.
    pub impatient: bool,
    /// Which members may be suspected; any, where none is named.
    pub suspects: Vec<usize>,
    /// How many more heartbeats than its first each start of a replica sends, at the most.
    pub heartbeats: u64,
    /// Whether heartbeats and grants arrive at once.
    pub swift_leases: bool,
    /// Whether clients and gateways hear from each other at any later time, rather than at once.
    pub slow_clients: bool,
    /// How many entries a window holds; as many as in production if none is given.
    pub window: Option<usize>,
    /// How many copies are to be kept.
    pub copies: usize,
    /// Whether the first coordinator keeps one, whatever the others do.
    pub lax: bool,
    /// The members that an operator gives up at some time, in the first view.
    pub given_up: Vec<usize>,
    /// Whether an operator says, at any time, that the only member is lost, and that the chain
    /// begins anew from the joiner.
    pub anew: bool,
    /// Whether replicas report neighbours that they hear nothing from, and tails their learners.
    pub complaints: bool,
    /// Whether no update ever arrives that the first two replicas send each other, nor any answer
    /// to one.
    pub cut: bool,
    /// Whether runs may end early, so that *no dead end* is not claimed: a crash can use up the
    /// ballots and heartbeats that the model has.
    pub ends_early: bool,
    /// Whether a run has finished only when the first joiner has become a member.
    pub grows: bool,
    /// What must be reachable.
    pub reached: Vec<Reached>,
    /// Where it is asked whether all ends: what may stay away.
    pub absent: Absent,
}

/// What stores hold at the start of a model.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stored {
    /// Nothing.
    #[default]
    Nothing,
    /// The chain holds a value at `x`.
    Value,
    /// The chain holds a value at `x` and one at `y`, and both clients have written.
    Values,
    /// The chain holds no value any more, and both clients have written.
    Lanes,
    /// The chain holds a value at `x` and one at `y`, and both clients have written; and a joiner
    /// was its head in an earlier view, and has kept its store: other values there, a key that was
    /// deleted since, and an entry that no other has.
    OldDisk,
    /// The chain holds a value at `x` and one at `y`; and a joiner was its head in an earlier view,
    /// and has kept its store: it had the first two of the chain's five entries, and has received
    /// four more, which no other has.
    Away(Since),
}

/// What a chain retains of what came since a member went away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Since {
    /// All of it.
    All,
    /// Not the first of it: that a key was deleted.
    Some,
    /// All; but what the joiner had is of another history, and so is a key that it holds.
    AllOfAnother,
}

/// What need not come, or come back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Absent {
    /// Announcements of views: each may be lost.
    pub announcements: bool,
    /// Replicas that crash. Only they are suspected then.
    pub crashed: bool,
}

/// Which actors may crash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mortal {
    /// Replicas, gateways and coordinators.
    All,
    /// Replicas and coordinators.
    Members,
    /// Coordinators.
    Coordinators,
    /// Replicas.
    Replicas,
    /// Gateways.
    Gateways,
    /// Nodes as a whole: the replica, the gateway and the coordinator of one number at once.
    Whole,
}

impl Client {
    /// A client of the tail that works on key `x`.
    pub fn new(ops: impl IntoIterator<Item = Op>) -> Self {
        let ops = ops.into_iter().map(|op| (Key::from("x"), op)).collect();
        Client { nearest: None, reads: Reads::Any, lanes: vec![ops], lists: None }
    }

    /// The same, reading from the replica at this place.
    pub fn near(mut self, replica: usize) -> Self {
        self.nearest = Some(replica);
        self
    }

    /// The same, with other reads.
    pub fn reading(mut self, reads: Reads) -> Self {
        self.reads = reads;
        self
    }

    /// The same, where each read is a listing of up to so many keys, asked of every replica at
    /// once.
    pub fn listing(mut self, limit: u32) -> Self {
        self.lists = Some(limit);
        self
    }

    /// The same, with operation number `index` of its first lane on another key.
    pub fn on(mut self, index: usize, key: &str) -> Self {
        self.lanes[0][index].0 = key.into();
        self
    }

    /// The same, with another lane beside those that it has.
    pub fn beside(mut self, other: Client) -> Self {
        self.lanes.extend(other.lanes);
        self
    }
}

impl Setup {
    /// A chain without crashes or losses.
    pub fn new(replicas: usize, clients: impl IntoIterator<Item = Client>) -> Self {
        Setup {
            replicas,
            joiners: 0,
            taught: false,
            stored: Stored::Nothing,
            parts: None,
            retained: 0,
            clients: clients.into_iter().collect(),
            crashes: 0,
            mortal: Mortal::All,
            disks_lost: false,
            late: false,
            lossy: false,
            deadlines: false,
            stale_gateways: false,
            coordinators: 0,
            proposers: 0,
            views: 0,
            impatient: false,
            suspects: Vec::new(),
            heartbeats: 0,
            swift_leases: true,
            slow_clients: false,
            window: None,
            copies: 1,
            lax: false,
            given_up: Vec::new(),
            anew: false,
            complaints: false,
            cut: false,
            ends_early: false,
            grows: false,
            reached: vec![Reached::AllReturned],
            absent: Absent::default(),
        }
    }

    /// With so many crashes of these actors.
    pub fn crashes(mut self, crashes: u8, mortal: Mortal) -> Self {
        (self.crashes, self.mortal) = (crashes, mortal);
        self
    }

    /// With so many coordinators, one of which suspects, and at most so many view changes.
    pub fn views(mut self, coordinators: usize, views: u64) -> Self {
        (self.coordinators, self.proposers, self.views) = (coordinators, 1, views);
        self
    }

    /// Where coordinators do not wait for their own proposals.
    pub fn impatient(mut self) -> Self {
        self.impatient = true;
        self
    }

    /// Where only these are suspected.
    pub fn suspects(mut self, suspects: impl IntoIterator<Item = usize>) -> Self {
        self.suspects = suspects.into_iter().collect();
        self
    }

    /// Where heartbeats and grants of the suspected take their time, and so many more heartbeats
    /// are sent.
    pub fn slow_leases(mut self, heartbeats: u64) -> Self {
        (self.swift_leases, self.heartbeats) = (false, heartbeats);
        self
    }

    /// With so many copies to be kept.
    pub fn copies(mut self, copies: usize) -> Self {
        self.copies = copies;
        self
    }

    /// Where an operator gives these members up.
    pub fn giving_up(mut self, lost: impl IntoIterator<Item = usize>) -> Self {
        self.given_up = lost.into_iter().collect();
        self
    }

    /// Where an operator has the chain begun anew from the joiner's old disk.
    pub fn anew(mut self) -> Self {
        self.anew = true;
        self.joining(1).stored(Stored::OldDisk).views(1, 1)
    }

    /// With a learner, which the first view names, and parts of so many rows.
    pub fn teaching(mut self, parts: usize) -> Self {
        (self.joiners, self.taught, self.parts) = (1, true, Some(parts));
        self
    }

    /// With one more replica, which would like to join, and parts of so many rows.
    pub fn joining(mut self, parts: usize) -> Self {
        (self.joiners, self.parts) = (1, Some(parts));
        self
    }

    /// Where replicas retain so many entries for members that return.
    pub fn retaining(mut self, entries: usize) -> Self {
        self.retained = entries;
        self
    }

    /// With an update under way that the head sent in an earlier epoch, and no other has ever seen.
    /// It was removed then, came back emptied, and is by now the predecessor of the same replica
    /// again: `[0, 1]`, `[1]`, `[1, 0]`, `[0]`, `[0, 1]`, with a learner in between.
    pub fn late(mut self) -> Self {
        self.late = true;
        self
    }

    /// What the operator says to the joiner, whose chain is to begin anew.
    pub(super) fn word(&self) -> Envelope<Msg> {
        let src = Id::from(self.all_replicas() + self.clients.len());
        let report = chain::Report::BeginAnew { epoch: FIRST_EPOCH };
        let msg = Msg::Views(coordinator::Msg::Report(report));
        Envelope { src, dst: Id::from(self.replicas), msg }
    }

    pub(super) fn late_update(&self) -> Envelope<Msg> {
        let gateway = Id::from(self.all_replicas());
        let id = OpId { gateway, incarnation: 0, lane: 0, seq: 9 };
        let entry = Entry { id, key: "x".into(), op: Op::Put("9".into()) };
        let (epoch, index) = (FIRST_EPOCH - 1, 1);
        let msg = Msg::Update(Update { epoch, index, entry });
        Envelope { src: Id::from(0), dst: Id::from(1), msg }
    }

    /// What the operator says, to each coordinator, through the first client's gateway's client.
    pub(super) fn reform(&self) -> impl Iterator<Item = Envelope<Msg>> {
        let src = Id::from(self.all_replicas() + self.clients.len());
        let lost = self.given_up.iter().copied().map(Id::from).collect();
        let report = chain::Report::Reform { epoch: FIRST_EPOCH, lost };
        let msg = Msg::Views(coordinator::Msg::Report(report));
        let coordinators = self.view().coordinators.into_iter();
        coordinators.map(move |dst| Envelope { src, dst, msg: msg.clone() })
    }

    /// With this in the stores at the start.
    pub fn stored(mut self, stored: Stored) -> Self {
        self.stored = stored;
        self
    }

    /// With these reachable, too.
    pub fn reached(mut self, reached: impl IntoIterator<Item = Reached>) -> Self {
        self.reached.extend(reached);
        self
    }

    /// How many replicas there are in all.
    pub(super) fn all_replicas(&self) -> usize {
        self.replicas + self.joiners
    }

    /// The chain's first view.
    pub(super) fn view(&self) -> View {
        let first = self.all_replicas() + 2 * self.clients.len();
        let coordinators = (first..first + self.coordinators).map(Id::from).collect();
        let mut view = View::new(FIRST_EPOCH, (0..self.replicas).map(Id::from).collect())
            .decided_by(coordinators);
        view.learner = self.taught.then(|| (Id::from(self.replicas), FIRST_EPOCH));
        view
    }

    /// The actors and their initialised stores.
    pub fn actors<M: Mechanisms>(
        &self,
        mechanisms: &M,
    ) -> Vec<(ProofActor<M>, Option<ProofStore>)> {
        let timeouts = Timeouts {
            resend: model_timeout(),
            resend_doublings: 0,
            unheard: self.complaints.then_some(0),
            retry: model_timeout(),
            deadline: self.deadlines.then_some(Duration::ZERO),
            views: coordinator::Timeouts {
                pause: 0,
                doublings: 0,
                ..coordinator::Timeouts::default()
            },
            ..Timeouts::default()
        };
        let clients = self.clients.len();
        let gateway = |client: usize| Id::from(self.all_replicas() + client);
        let script = |client: usize| Id::from(self.all_replicas() + clients + client);
        let replicas = (0..self.all_replicas()).map(|place| {
            let mut store = ProofStore::default();
            self.fill(place, &mut store);
            let replica = Replica::with(timeouts.clone(), mechanisms.clone());
            let mut replica = replica.copies(self.copies);
            if self.anew {
                replica = replica.alone_with_lease();
            }
            if let Some(window) = self.window {
                replica = replica.window(window);
            }
            if let Some(parts) = self.parts {
                replica = replica.parts(parts);
            }
            let id = OpId { gateway: gateway(0), incarnation: 0, lane: 0, seq: 0 };
            let row = Row::Touched { id, key: "x".into() };
            let replica = replica.retaining(self.retained * retained_bytes(&row));
            (ProofActor::Replica(replica), Some(store))
        });
        let gateways = self.clients.iter().enumerate().map(|(number, client)| {
            let mut store = ProofStore::default();
            Gateway::init(&mut store);
            let mut view = self.view();
            if self.stale_gateways {
                view.epoch -= 1;
                view.chain.extend(view.learner.take().map(|(learner, _)| learner));
                view.chain.reverse();
            }
            let nearest = client.nearest.map(Id::from);
            let timeouts = timeouts.clone();
            let gateway =
                Gateway::with(script(number), nearest, view, timeouts, mechanisms.clone());
            (ProofActor::Gateway(gateway.copies(self.copies)), Some(store))
        });
        let scripts = self.clients.iter().enumerate().map(|(number, client)| {
            let (lanes, reads) = (client.lanes.clone(), client.reads);
            let members = || (0..self.all_replicas()).map(Id::from).collect();
            let lists = client.lists.map(|limit| (members(), limit));
            let script = Script { gateway: gateway(number), reads, lanes, lists };
            (ProofActor::Script(script), None)
        });
        let coordinators = (0..self.coordinators).map(|place| {
            let mut store = Nested(ProofStore::default());
            Coordinator::init(&mut store, self.view());
            let followers = (0..clients).map(gateway).collect();
            let timeouts = timeouts.views.clone();
            let coordinator = Coordinator::with(followers, timeouts, mechanisms.clone());
            let copies = if self.lax && place == 0 { 1 } else { self.copies };
            let coordinator = coordinator.copies(copies).usual(self.copies);
            (ProofActor::Coordinator(coordinator), Some(store.0))
        });
        replicas.chain(gateways).chain(scripts).chain(coordinators).collect()
    }

    /// The actors of each node, where nodes crash as a whole.
    pub(super) fn processes(&self) -> Vec<Vec<Id>> {
        if self.mortal != Mortal::Whole {
            return Vec::new();
        }
        let (replicas, clients) = (self.all_replicas(), self.clients.len());
        let kinds =
            [(0, replicas), (replicas, clients), (replicas + 2 * clients, self.coordinators)];
        let count = kinds.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let node = |number: usize| {
            let of_each = kinds.iter().filter(|(_, count)| number < *count);
            of_each.map(|(first, _)| Id::from(first + number)).collect()
        };
        (0..count).map(node).collect()
    }

    pub(super) fn mortal(&self) -> Vec<Id> {
        let gateways = self.all_replicas() + self.clients.len();
        let coordinators = gateways + self.clients.len()..;
        let coordinators = coordinators.take(self.coordinators);
        let range = match self.mortal {
            Mortal::All => 0..gateways,
            Mortal::Replicas | Mortal::Members => 0..self.all_replicas(),
            Mortal::Gateways => self.all_replicas()..gateways,
            Mortal::Coordinators => 0..0,
            Mortal::Whole => {
                return self.processes().iter().filter_map(|node| node.first().copied()).collect();
            }
        };
        let too = match self.mortal {
            Mortal::All | Mortal::Members | Mortal::Coordinators => self.coordinators,
            Mortal::Replicas | Mortal::Gateways | Mortal::Whole => 0,
        };
        range.chain(coordinators.take(too)).map(Id::from).collect()
    }
}

/// What the actors of a chain are called in schedules, by id.
pub fn names<M: Mechanisms>(actors: &[ProofActor<M>]) -> Vec<String> {
    let letter = |actor: &ProofActor<M>| match actor {
        ProofActor::Replica(_) => 'r',
        ProofActor::Gateway(_) => 'g',
        ProofActor::Script(_) => 's',
        ProofActor::Coordinator(_) => 'c',
    };
    numbered(actors.iter().map(letter))
}
