//! Configurations of a ring, as values: nodes, gateways, scripts, and what decides views.

mod display;

use super::reached::Reached;
use super::world::{EPOCH, PLENTY, ProofActor, ProofStore};
use crate::checker::schedule::numbered;
use crate::history::History;
use chainring_model::Mechanisms;
use chainring_model::coordinator::{self, Coordinator};
use chainring_model::kv::{Key as ClientKey, Op, OpId, Value};
use chainring_model::ring::msg::{Belong, Copies};
use chainring_model::ring::place::position;
use chainring_model::ring::{
    Ballot, Content, Copied, Floors, Gateway, Msg, Nested, Node, Oracle, Register, Report, Ring,
    RingActor, Script, Timeouts, View,
};
use stateright::actor::{Envelope, Id, model_timeout};
use std::time::Duration;

/// What one client does, in order, and through which gateway.
#[derive(Clone, Debug)]
pub struct Client {
    /// The gateway's number; clients that share one have lanes of their own.
    pub gateway: usize,
    /// What it does.
    pub ops: Vec<(ClientKey, Op)>,
}

/// A system to check: nodes `0..n`, then the gateways, then the clients, then, where views change,
/// what decides them: an oracle, which follows a plan, or coordinators, which are told which nodes
/// come and go.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many nodes.
    pub nodes: usize,
    /// Which of them are in the ring at the beginning.
    pub ring: Vec<usize>,
    /// The views that may be decided, as rings, old and new.
    pub plan: Vec<(Vec<usize>, Vec<usize>)>,
    /// How many coordinators decide views, instead of an oracle.
    pub coordinators: usize,
    /// How many view changes they decide, at the most.
    pub views: u64,
    /// Which nodes are said to be gone, at any time: each a report that comes when it comes.
    pub gone: Vec<Vec<usize>>,
    /// Which nodes are told to leave, at any time.
    pub leaver: Option<usize>,
    /// Whether an operator gives up nodes that are gone in the first view, at any time.
    pub reform: bool,
    /// Which coordinators' files say that those are given up without which there is no majority:
    /// after any time.
    pub gives_up: Vec<usize>,
    /// The clients.
    pub clients: Vec<Client>,
    /// How many operations a register remembers.
    pub recent: usize,
    /// How many attempts a gateway makes of an operation.
    pub attempts: u32,
    /// Up to which round ballots go, where that is bounded: no gateway begins one beyond it, and
    /// what would make a gateway do so does not reach it.
    pub rounds: Option<u64>,
    /// How many crashes, each with a recovery, in all.
    pub crashes: u8,
    /// Which actors may crash.
    pub mortal: Mortal,
    /// The key that it is all about. It decides between whose tokens that is.
    pub key: &'static str,
    /// How many replicas it has, where there are so many members.
    pub replicas: u8,
    /// How many spans a newcomer fetches at a time, where it has more than that.
    pub fetching: Option<usize>,
    /// What nodes hold of the key at the beginning.
    pub planted: Vec<(usize, Planted)>,
    /// Whether tombstones are swept, at any moment.
    pub sweeps: bool,
    /// Where what was missed is made good: which nodes compare what they hold with others', at any
    /// moment, besides gateways that tell of what reads have shown.
    pub repairs: Option<Vec<usize>>,
    /// Copies that are under way at the beginning: from one node, to another.
    pub late: Option<(usize, usize, Planted)>,
    /// Whether a deadline may pass at any moment.
    pub deadlines: bool,
    /// Whether messages are lost for good.
    pub lossy: bool,
    /// What must be reachable.
    pub reached: Vec<Reached>,
}

/// A register at the beginning: `epoch` and `n` of its ballot, and the value, or a tombstone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Planted {
    /// The epoch of its ballot.
    pub epoch: u64,
    /// The number of its ballot; also its version.
    pub n: u64,
    /// What it holds.
    pub value: Option<&'static str>,
    /// Whether the node has voted for it.
    pub voted: bool,
    /// What came of it.
    pub how: How,
}

/// How far a write has come that registers show at the beginning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum How {
    /// It was chosen, whichever nodes hold it.
    Chosen,
    /// It counted up where nothing was, and its gateway is gone for good: whether it will ever be
    /// chosen is open.
    HalfDone,
    /// Its ballot is promised, and nothing is accepted.
    Promised,
}

/// Which actors may crash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mortal {
    /// Nodes and gateways.
    All,
    /// Nodes.
    Nodes,
    /// Gateways.
    Gateways,
    /// Nodes as a whole: the node, the gateway and the coordinator of one number at once.
    Whole,
}

/// The ids from here on are no actor's: reports and orders from outside a model come from there.
const OUTSIDE: usize = 60;

impl Client {
    /// A client that works on key `x`.
    pub fn new(gateway: usize, ops: impl IntoIterator<Item = Op>) -> Self {
        let ops = ops.into_iter().map(|op| (ClientKey::from("x"), op)).collect();
        Client { gateway, ops }
    }
}

impl Planted {
    /// A value that was chosen in the first epoch.
    pub fn value(n: u64, value: &'static str) -> Self {
        Planted { epoch: EPOCH, n, value: Some(value), voted: true, how: How::Chosen }
    }

    /// What a gateway that is gone counted up by in the first epoch, where nothing was, in a ballot
    /// of this number.
    pub fn half_done(n: u64, by: &'static str) -> Self {
        Planted { how: How::HalfDone, ..Planted::value(n, by) }
    }

    /// No more than the promise of a ballot of this number.
    pub fn promise(n: u64) -> Self {
        Planted { how: How::Promised, ..Planted::tombstone(n) }
    }

    /// A tombstone that was chosen in the first epoch.
    pub fn tombstone(n: u64) -> Self {
        Planted { epoch: EPOCH, n, value: None, voted: true, how: How::Chosen }
    }

    /// The gateway of its ballot is one that no model has, and comes before all others.
    fn register(self) -> Register {
        let Planted { epoch, n, value, voted, how } = self;
        let ballot = Ballot { epoch, n, gateway: Id::from(0), incarnation: 1 };
        let value = value.map(Value::from);
        let version = if how == How::HalfDone { 1 } else { n };
        let content = Content { version, value, recent: Vec::new() };
        match how {
            How::Promised => Register { promised: ballot, ..Register::missing(&Floors::default()) },
            How::Chosen | How::HalfDone => {
                Register { promised: ballot, accepted: ballot, voted, content }
            }
        }
    }
}

impl Setup {
    /// Three nodes in a stable view, and nothing that goes wrong.
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        Setup {
            nodes: 3,
            ring: vec![0, 1, 2],
            plan: Vec::new(),
            coordinators: 0,
            views: 0,
            gone: Vec::new(),
            leaver: None,
            reform: false,
            gives_up: Vec::new(),
            clients: clients.into_iter().collect(),
            recent: PLENTY,
            attempts: 2,
            rounds: None,
            crashes: 0,
            mortal: Mortal::All,
            key: "x",
            replicas: 3,
            fetching: None,
            planted: Vec::new(),
            sweeps: false,
            repairs: None,
            late: None,
            deadlines: false,
            lossy: false,
            reached: vec![Reached::AllReturned],
        }
    }

    /// With so many attempts of each operation.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// With ballots up to this round.
    pub fn rounds(mut self, rounds: u64) -> Self {
        self.rounds = Some(rounds);
        self
    }

    /// With registers that remember so many operations.
    pub fn recent(mut self, recent: usize) -> Self {
        self.recent = recent;
        self
    }

    /// With so many crashes of these actors.
    pub fn crashes(mut self, crashes: u8, mortal: Mortal) -> Self {
        (self.crashes, self.mortal) = (crashes, mortal);
        self
    }

    /// With this at these nodes.
    pub fn planted(mut self, nodes: impl IntoIterator<Item = usize>, planted: Planted) -> Self {
        self.planted.extend(nodes.into_iter().map(|node| (node, planted)));
        self
    }

    /// About this key, of so many replicas, where newcomers fetch so many spans at a time.
    pub fn spans(mut self, key: &'static str, replicas: u8, fetching: usize) -> Self {
        (self.key, self.replicas, self.fetching) = (key, replicas, Some(fetching));
        for (of, _) in self.clients.iter_mut().flat_map(|client| &mut client.ops) {
            *of = ClientKey::from(key);
        }
        self
    }

    /// With tombstones swept.
    pub fn sweeps(mut self) -> Self {
        self.sweeps = true;
        self
    }

    /// With what was missed made good: by these nodes, which compare, and by gateways that read.
    pub fn repairs(mut self, nodes: impl IntoIterator<Item = usize>) -> Self {
        self.repairs = Some(nodes.into_iter().collect());
        self
    }

    /// With copies of this that are under way from one node to another.
    pub fn late(mut self, from: usize, to: usize, planted: Planted) -> Self {
        self.late = Some((from, to, planted));
        self
    }

    /// With these views to be decided at any moment, each a pair of rings, and as many nodes as
    /// they name.
    pub fn plan(mut self, plan: &[(&[usize], &[usize])]) -> Self {
        self.plan = plan.iter().map(|(old, new)| (old.to_vec(), new.to_vec())).collect();
        let most = self.plan.iter().flat_map(|(old, new)| old.iter().chain(new)).max();
        self.nodes = self.nodes.max(most.map_or(0, |most| most + 1));
        self
    }

    /// With two nodes rather than three: both are every quorum, and there are fewer messages.
    pub fn of_two(self) -> Self {
        Setup { nodes: 2, ring: vec![0, 1], ..self }
    }

    /// With so many nodes, of which those beyond the ring would like to join.
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// With so many coordinators, and at most so many view changes.
    pub fn views(mut self, coordinators: usize, views: u64) -> Self {
        (self.coordinators, self.views) = (coordinators, views);
        self
    }

    /// Where these are said to be gone, rightly or wrongly, at any time; once more each time this
    /// is called.
    pub fn gone(mut self, gone: impl IntoIterator<Item = usize>) -> Self {
        self.gone.push(gone.into_iter().collect());
        self
    }

    /// Where this one leaves, at any time.
    pub fn leaves(mut self, leaver: usize) -> Self {
        self.leaver = Some(leaver);
        self
    }

    /// Where an operator gives up nodes that are gone, at any time.
    pub fn reform(mut self) -> Self {
        self.reform = true;
        self
    }

    /// Where these coordinators would give up nodes that are gone, at any time.
    pub fn gives_up(mut self, coordinators: impl IntoIterator<Item = usize>) -> Self {
        self.gives_up = coordinators.into_iter().collect();
        self
    }

    /// With these reachable, too.
    pub fn reached(mut self, reached: impl IntoIterator<Item = Reached>) -> Self {
        self.reached.extend(reached);
        self
    }

    fn gateways(&self) -> usize {
        self.clients.iter().map(|client| client.gateway + 1).max().unwrap_or(0)
    }

    /// One token for each member: in small rings of three replicas every member holds everything.
    pub(super) fn ring(&self, members: &[usize]) -> Ring {
        Ring::with(members.iter().copied().map(Id::from), 1, self.replicas)
    }

    /// What decides views: the oracle or the coordinators.
    pub(super) fn deciders(&self) -> Vec<Id> {
        let first = self.nodes + self.gateways() + self.clients.len();
        let count = if self.plan.is_empty() { self.coordinators } else { 1 };
        (first..first + count).map(Id::from).collect()
    }

    /// The first view.
    pub(super) fn view(&self) -> View {
        View::stable(EPOCH, self.ring(&self.ring)).decided_by(self.deciders())
    }

    /// The actors and their initialised stores.
    pub fn actors<M: Mechanisms>(
        &self,
        mechanisms: &M,
    ) -> Vec<(ProofActor<M>, Option<ProofStore>)> {
        let timeouts = Timeouts {
            deadline: self.deadlines.then_some(Duration::ZERO),
            sweep: self.sweeps.then(model_timeout),
            repair: self.repairs.is_some().then(model_timeout),
            views: coordinator::Timeouts { pause: 0, ..coordinator::Timeouts::default() },
            ..Timeouts::default()
        };
        let view = self.view();
        let gateway = |number: usize| Id::from(self.nodes + number);
        let script = |number: usize| Id::from(self.nodes + self.gateways() + number);
        let mut actors = Vec::new();
        for number in 0..self.nodes {
            let mut store = ProofStore::default();
            Node::init(&mut store, view.clone());
            for (_, planted) in self.planted.iter().filter(|(node, _)| *node == number) {
                Node::plant(&mut store, &self.key.into(), planted.register());
            }
            let repairs = self.repairs.as_ref().is_some_and(|nodes| nodes.contains(&number));
            let repair = timeouts.repair.clone().filter(|_| repairs);
            let timeouts = Timeouts { repair, ..timeouts.clone() };
            let mut node = Node::with(self.recent, timeouts, mechanisms.clone());
            if let Some(spans) = self.fetching {
                node = node.fetching(spans);
            }
            actors.push((RingActor::Node(node), Some(store)));
        }
        for number in 0..self.gateways() {
            let mut store = ProofStore::default();
            Gateway::init(&mut store, view.clone());
            let clients = self.clients.iter().enumerate();
            let own = clients.filter(|(_, client)| client.gateway == number);
            let gateway = Gateway::with(
                own.map(|(number, _)| script(number)).collect(),
                self.recent,
                Some(self.attempts),
                timeouts.clone(),
                mechanisms.clone(),
            );
            actors.push((RingActor::Gateway(gateway), Some(store)));
        }
        for (number, client) in self.clients.iter().enumerate() {
            let before = &self.clients[..number];
            let lane = before.iter().filter(|other| other.gateway == client.gateway).count();
            let script = Script {
                gateway: gateway(client.gateway),
                lane: lane as u32,
                ops: client.ops.clone(),
            };
            actors.push((RingActor::Script(script), None));
        }
        if !self.plan.is_empty() {
            let plan = self.plan.iter().map(|(old, new)| (self.ring(old), self.ring(new)));
            let told = (0..self.nodes + self.gateways()).map(Id::from).collect();
            let (plan, mechanisms) = (plan.collect(), mechanisms.clone());
            actors.push((RingActor::Oracle(Oracle { view, plan, told, mechanisms }), None));
            return actors;
        }
        for number in 0..self.coordinators {
            let mut store = Nested(ProofStore::default());
            Coordinator::init(&mut store, view.clone());
            let followers = (0..self.gateways()).map(gateway).collect();
            let give_up = self.gives_up.contains(&number).then_some(Duration::ZERO);
            let timeouts = coordinator::Timeouts { give_up, ..timeouts.views.clone() };
            let coordinator = Coordinator::with(followers, timeouts, mechanisms.clone());
            actors.push((RingActor::Coordinator(coordinator), Some(store.0)));
        }
        actors
    }

    /// What is said from outside, and comes at any time: which nodes are gone, are to
    /// leave, are given up.
    pub(super) fn in_flight(&self) -> Vec<Envelope<Msg>> {
        let mut said = Vec::new();
        // No actors of the model: a watcher of the members, and an operator.
        let outside = |number: usize| Id::from(OUTSIDE + number);
        for dst in self.deciders() {
            let mut report = |src, report| {
                let msg = Msg::Views(coordinator::Msg::Report(report));
                said.push(Envelope { src, dst, msg });
            };
            for (number, gone) in self.gone.iter().enumerate() {
                let gone = gone.iter().copied().map(Id::from).collect();
                report(outside(number), Report::Members { gone });
            }
            if self.reform {
                let lost = self.gone.iter().flatten().copied().map(Id::from).collect();
                report(outside(self.gone.len()), Report::Reform { epoch: EPOCH, lost });
            }
        }
        let dst = self.leaver.map(Id::from);
        let src = outside(self.gone.len() + 1);
        let belong =
            dst.map(|dst| Envelope { src, dst, msg: Msg::Belong(Belong { wanted: false }) });
        said.extend(belong);
        said.extend(self.late.map(|(src, dst, planted)| {
            let Register { accepted, voted, content, .. } = planted.register();
            let row = Copied { key: self.key.into(), accepted, voted, content };
            let (rest, then) = (Vec::new(), None);
            let msg = Msg::Copies(Copies { epoch: EPOCH, rows: vec![row], rest, then });
            Envelope { src: Id::from(src), dst: Id::from(dst), msg }
        }));
        said
    }

    /// The actors of each node, where nodes crash as a whole.
    pub(super) fn processes(&self) -> Vec<Vec<Id>> {
        if self.mortal != Mortal::Whole {
            return Vec::new();
        }
        let gateways = self.gateways();
        let coordinators = if self.plan.is_empty() { self.coordinators } else { 0 };
        let first = self.nodes + gateways + self.clients.len();
        let kinds = [(0, self.nodes), (self.nodes, gateways), (first, coordinators)];
        let count = kinds.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let node = |number: usize| {
            let of_each = kinds.iter().filter(|(_, count)| number < *count);
            of_each.map(|(first, _)| Id::from(first + number)).collect()
        };
        (0..count).map(node).collect()
    }

    pub(super) fn mortal(&self) -> Vec<Id> {
        let gateways = self.nodes + self.gateways();
        let range = match self.mortal {
            Mortal::All => 0..gateways,
            Mortal::Nodes => 0..self.nodes,
            Mortal::Gateways => self.nodes..gateways,
            Mortal::Whole => {
                return self.processes().iter().filter_map(|node| node.first().copied()).collect();
            }
        };
        range.map(Id::from).collect()
    }

    /// What clients would have seen of the planted registers, and what others have begun and will
    /// never end.
    pub(super) fn history(&self) -> History {
        let replicas = self.ring(&self.ring).replicas(position(self.key.as_bytes()));
        let held = self.planted.iter().filter(|(node, _)| replicas.contains(&Id::from(*node)));
        let held = held.map(|(_, planted)| planted);
        let chosen = held.clone().filter(|planted| planted.how == How::Chosen);
        let newest = chosen.max_by_key(|p| (p.epoch, p.n)).and_then(|planted| planted.value);
        let history = History::default();
        let history = newest.map_or(history.clone(), |value| history.holding(self.key, value));
        held.filter(|planted| planted.how == How::HalfDone).fold(history, |history, planted| {
            let (client, number) = (Id::from(OUTSIDE + planted.n as usize), planted.value);
            let by = number.and_then(|number| number.parse().ok());
            let op = Op::Increment(by.expect("what is half done counts up by a number"));
            let id = OpId { gateway: client, incarnation: 1, lane: 0, seq: 1 };
            let called = history.call(client, id, &self.key.into(), &op);
            called.begin(id).expect("it is called")
        })
    }
}

/// What the actors of a ring are called in scripts, by id; and those outside of it
/// that say something: `x0`.
pub fn names<M: Mechanisms>(actors: &[ProofActor<M>]) -> Vec<String> {
    let letters = actors.iter().map(|actor| match actor {
        RingActor::Node(_) => 'n',
        RingActor::Gateway(_) => 'g',
        RingActor::Script(_) => 's',
        RingActor::Coordinator(_) => 'c',
        RingActor::Oracle(_) => 'o',
        RingActor::Member(_) => 'm',
    });
    let nobody = std::iter::repeat_n('-', OUTSIDE - actors.len());
    numbered(letters.chain(nobody).chain(['x'; 4]))
}
