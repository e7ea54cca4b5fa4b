//! Configurations of a ring, as values, and what is claimed of them.

mod catalogue;
mod invariants;
mod mutants;
mod reached;

pub use catalogue::catalogue;
pub use invariants::of_ring;
pub use mutants::{mutant, script};
pub use reached::Reached;

use crate::chain::spell;
use crate::checked::{Checked, CheckedState, Pruning};
use crate::history::History;
use chainring_model::kv::{self, Key as ClientKey, Op, OpId, Outcome, Value};
use chainring_model::ring::{
    Ballot, Content, Floors, Gateway, Key, Msg, Node, Oracle, Register, Ring, RingActor, RingState,
    Row, Script, Timeouts, View,
};
use chainring_model::store::{MapStore, Store};
use chainring_model::{Intact, Mechanisms};
use stateright::actor::{ActorModelState, Envelope, Id, model_timeout};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display, Formatter};
use std::rc::Rc;
use std::time::Duration;

/// The store of proofs.
pub type ProofStore = MapStore<Key, Row>;

/// A ring actor as it is checked.
pub type ProofActor<M = Intact> = RingActor<ProofStore, M>;

/// A system of ring actors, as stateright sees it.
pub type System<M = Intact> = ActorModelState<ProofActor<M>, History>;

/// A model of a ring.
pub type RingModel<M = Intact> = Checked<ProofActor<M>, History>;

/// A state of it.
pub type State<M = Intact> = CheckedState<ProofActor<M>, History>;

/// What one client does, in order, and through which gateway.
#[derive(Clone, Debug)]
pub struct Client {
    /// The gateway's number; clients that share one have lanes of their own.
    pub gateway: usize,
    /// What it does.
    pub ops: Vec<(ClientKey, Op)>,
}

/// A system to check: nodes `0..n`, then the gateways, then the clients, then, where views change, the
/// oracle that decides them.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many nodes.
    pub nodes: usize,
    /// Which of them are in the ring at the beginning.
    pub ring: Vec<usize>,
    /// The views that may be decided, as rings, old and new.
    pub plan: Vec<(Vec<usize>, Vec<usize>)>,
    /// The clients.
    pub clients: Vec<Client>,
    /// How many operations a register remembers.
    pub recent: usize,
    /// How many attempts a gateway makes of an operation.
    pub attempts: u32,
    /// How many crashes, each with a recovery, in all.
    pub crashes: u8,
    /// Who may crash.
    pub mortal: Mortal,
    /// What nodes hold of key `x` at the beginning.
    pub planted: Vec<(usize, Planted)>,
    /// Whether tombstones are swept, at any moment.
    pub sweeps: bool,
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
}

/// Who may crash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mortal {
    /// Nodes and gateways.
    All,
    /// Nodes.
    Nodes,
    /// Gateways.
    Gateways,
}

/// The epoch that models begin in.
const EPOCH: u64 = 1;

/// How many operations registers remember where that is not what a model is about: all of them.
const PLENTY: usize = 8;

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
        Planted { epoch: EPOCH, n, value: Some(value), voted: true }
    }

    /// A tombstone that was chosen in the first epoch.
    pub fn tombstone(n: u64) -> Self {
        Planted { epoch: EPOCH, n, value: None, voted: true }
    }

    /// The gateway of its ballot is one that no model has, and comes before all others.
    fn register(self) -> Register {
        let Planted { epoch, n, value, voted } = self;
        let ballot = Ballot { epoch, n, gateway: Id::from(0), incarnation: 1 };
        let value = value.map(Value::from);
        let content = Content { version: n, value, recent: Vec::new() };
        Register { promised: ballot, accepted: ballot, voted, content }
    }
}

impl Setup {
    /// Three nodes in a stable view, and nothing that goes wrong.
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        Setup {
            nodes: 3,
            ring: vec![0, 1, 2],
            plan: Vec::new(),
            clients: clients.into_iter().collect(),
            recent: PLENTY,
            attempts: 2,
            crashes: 0,
            mortal: Mortal::All,
            planted: Vec::new(),
            sweeps: false,
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

    /// With tombstones swept.
    pub fn sweeps(mut self) -> Self {
        self.sweeps = true;
        self
    }

    /// With four nodes, and these views to be decided at any moment; each a pair of rings.
    pub fn plan(mut self, plan: &[(&[usize], &[usize])]) -> Self {
        self.plan = plan.iter().map(|(old, new)| (old.to_vec(), new.to_vec())).collect();
        let most = self.plan.iter().flat_map(|(old, new)| old.iter().chain(new)).max();
        self.nodes = self.nodes.max(most.map_or(0, |most| most + 1));
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
    fn ring(members: &[usize]) -> Ring {
        Ring::with(members.iter().copied().map(Id::from), 1, 3)
    }

    /// The actors and their initialised stores.
    pub fn actors<M: Mechanisms>(
        &self,
        mechanisms: &M,
    ) -> Vec<(ProofActor<M>, Option<ProofStore>)> {
        let timeouts = Timeouts {
            resend: model_timeout(),
            backoff: model_timeout(),
            deadline: self.deadlines.then_some(Duration::ZERO),
            sweep: self.sweeps.then(model_timeout),
            fetch: model_timeout(),
        };
        let view = View::stable(EPOCH, Self::ring(&self.ring));
        let gateway = |number: usize| Id::from(self.nodes + number);
        let script = |number: usize| Id::from(self.nodes + self.gateways() + number);
        let oracle = script(self.clients.len());
        let mut actors = Vec::new();
        for number in 0..self.nodes {
            let mut store = ProofStore::default();
            Node::init(&mut store, view.clone());
            for (_, planted) in self.planted.iter().filter(|(node, _)| *node == number) {
                Node::plant(&mut store, &"x".into(), planted.register());
            }
            let coordinators = if self.plan.is_empty() { vec![] } else { vec![oracle] };
            let node = Node::with(coordinators, self.recent, timeouts.clone(), mechanisms.clone());
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
            let plan = self.plan.iter().map(|(old, new)| (Self::ring(old), Self::ring(new)));
            let told = (0..self.nodes + self.gateways()).map(Id::from).collect();
            let (plan, mechanisms) = (plan.collect(), mechanisms.clone());
            actors.push((RingActor::Oracle(Oracle { view, plan, told, mechanisms }), None));
        }
        actors
    }

    fn mortal(&self) -> Vec<Id> {
        let gateways = self.nodes + self.gateways();
        let range = match self.mortal {
            Mortal::All => 0..gateways,
            Mortal::Nodes => 0..self.nodes,
            Mortal::Gateways => self.nodes..gateways,
        };
        range.map(Id::from).collect()
    }

    /// What a client would have seen of the planted registers.
    fn history(&self) -> History {
        let held = self.planted.iter().filter(|(node, _)| self.ring.contains(node));
        let newest = held.map(|(_, planted)| planted).max_by_key(|p| (p.epoch, p.n));
        match newest.and_then(|planted| planted.value) {
            Some(value) => History::default().with_value(&"x".into(), &value.into()),
            None => History::default(),
        }
    }

    /// The model that checks this.
    pub fn model<M: Mechanisms>(&self, mechanisms: &M, pruning: Pruning) -> RingModel<M> {
        let mut model = Checked::new(self.history())
            .crashes(self.crashes, self.mortal())
            .pruning(pruning)
            .local(is_local)
            .anonymous(|msg| matches!(msg, Msg::Install { .. }));
        if self.lossy {
            model = model.lossy();
        }
        for (actor, store) in self.actors(mechanisms) {
            model = model.actor(actor, store);
        }
        let reached = self.reached.iter().map(|reached| reached.property());
        of_ring(self.recent).into_iter().chain(reached).fold(model, Checked::property)
    }
}

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes", self.nodes)?;
        if self.ring.len() < self.nodes {
            write!(f, ", ring {:?}", self.ring)?;
        }
        for (number, (old, new)) in self.plan.iter().enumerate() {
            let lead = if number == 0 { ", views at any moment" } else { "," };
            if old == new {
                write!(f, "{lead} {old:?}")?;
            } else {
                write!(f, "{lead} {old:?}+{new:?}")?;
            }
        }
        for client in &self.clients {
            let ops: Vec<_> = client.ops.iter().map(|(key, op)| spell(key, op)).collect();
            write!(f, ", gateway {} ({})", client.gateway, ops.join(", "))?;
        }
        for (node, Planted { n, value, voted, .. }) in &self.planted {
            let kind = if *voted { "voted" } else { "copied" };
            write!(f, ", node {node} has {kind} {}#{n}", value.unwrap_or("tombstone"))?;
        }
        let s = if self.attempts == 1 { "" } else { "s" };
        write!(f, ", {} attempt{s} an operation", self.attempts)?;
        if self.recent != PLENTY {
            write!(f, ", recent of {}", self.recent)?;
        }
        f.write_str(", duplicating network")?;
        if self.lossy {
            f.write_str(" that loses")?;
        }
        if self.crashes > 0 {
            let who = match self.mortal {
                Mortal::All => "any actor",
                Mortal::Nodes => "a node",
                Mortal::Gateways => "a gateway",
            };
            let (crashes, s) = (self.crashes, if self.crashes == 1 { "" } else { "es" });
            write!(f, ", {crashes} crash{s} of {who} with recovery")?;
        }
        if self.sweeps {
            f.write_str(", sweeps at any moment")?;
        }
        if self.deadlines {
            f.write_str(", deadlines at any moment")?;
        }
        Ok(())
    }
}

/// What a client and its gateway say to each other, inside one process.
fn is_local(msg: &Msg) -> bool {
    matches!(msg, Msg::Opened { .. } | Msg::Invoke { .. } | Msg::Return { .. })
}

/// What a node holds durably, whether it is up or down.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Who it is.
    pub id: Id,
    /// The newest view that it installed.
    pub view: View,
    /// How what is missing reads there.
    pub floors: Floors,
    /// What it holds.
    pub registers: BTreeMap<ClientKey, Register>,
    /// Whether it has still to fetch.
    pub fetching: bool,
}

impl Held {
    /// What a node's saved store holds; `None` for other actors' stores.
    fn of(id: Id, store: &ProofStore) -> Option<Held> {
        let (Some(Row::View(view)), Some(Row::Floors(floors))) =
            (store.get(&Key::View), store.get(&Key::Floors))
        else {
            return None;
        };
        let mut held = Held { id, view, floors, registers: BTreeMap::new(), fetching: false };
        for (key, row) in store.iter() {
            match (key, row) {
                (Key::Register(_, key), Row::Register(register)) => {
                    held.registers.insert(key.clone(), register.clone());
                }
                (Key::Transfer(_), _) => held.fetching = true,
                _ => {}
            }
        }
        Some(held)
    }

    /// What it holds of a key.
    pub fn register(&self, key: &ClientKey) -> Register {
        let register = self.registers.get(key).cloned();
        register.unwrap_or_else(|| Register::missing(&self.floors))
    }
}

/// All nodes, by id. Memoized by store: few different ones occur in a run.
pub fn nodes<M: Mechanisms>(system: &System<M>) -> Vec<Rc<Held>> {
    /// Nodes that a thread remembers at the most.
    const REMEMBERED: usize = 1 << 16;
    type Known = HashMap<(Id, u64), Option<Rc<Held>>>;
    thread_local! {
        static KNOWN: RefCell<Known> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if known.len() > REMEMBERED {
            known.clear();
        }
        let stores = system.actor_storages.iter().enumerate();
        let nodes = stores.filter_map(|(id, store)| {
            let (id, store) = (Id::from(id), store.as_ref()?);
            let node = known.entry((id, store.digest()));
            node.or_insert_with(|| Held::of(id, store).map(Rc::new)).clone()
        });
        nodes.collect()
    })
}

/// Whether every script has done what it had to do.
pub fn finished<M: Mechanisms>(model: &RingModel<M>, state: &State<M>) -> bool {
    let states = &state.system.actor_states;
    model.actors().iter().zip(states).all(|(actor, state)| match (actor, &**state) {
        (RingActor::Script(script), RingState::Script(state)) => script.is_finished(state),
        _ => true,
    })
}

/// The messages that are under way.
fn messages<M: Mechanisms>(system: &System<M>) -> impl Iterator<Item = Envelope<&Msg>> {
    system.network.iter_deliverable()
}

/// Every operation that is under way, with its identity.
fn pending<M: Mechanisms>(
    system: &System<M>,
) -> impl Iterator<Item = (OpId, &chainring_model::ring::Pending)> {
    let gateways =
        system.actor_states.iter().enumerate().filter_map(|(id, state)| match &**state {
            RingState::Gateway(gateway) => Some((Id::from(id), gateway)),
            _ => None,
        });
    gateways.flat_map(|(gateway, state)| {
        state.lanes.iter().filter_map(move |(lane, known)| {
            let id = OpId { gateway, incarnation: state.incarnation, lane: *lane, seq: known.seq };
            known.pending.as_ref().map(|pending| (id, pending))
        })
    })
}

/// Whether an operation changed something, going by its outcome.
fn is_effect(outcome: &Outcome) -> bool {
    !matches!(outcome, kv::Outcome::Refused(_) | Outcome::Unknown)
}
