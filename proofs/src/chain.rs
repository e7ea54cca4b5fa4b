//! Configurations of a chain, as values.

use crate::checked::{Checked, Pruning};
use crate::history::History;
use crate::invariants::{Reached, of_chain};
use crate::torn::{Order, Torn};
use crate::world::{ChainModel, ProofActor, ProofStore};
use chainring_model::Mechanisms;
use chainring_model::chain::{Gateway, Msg, Replica, Script, Timeouts, View};
use chainring_model::kv::{Key, Op, Value};
use stateright::actor::{Id, model_timeout};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// What one client does, and which replica its gateway reads from (the tail where none is named).
#[derive(Clone, Debug)]
pub struct Client {
    /// The replica's place in the chain.
    pub nearest: Option<usize>,
    /// What it does, in order.
    pub ops: Vec<(Key, Op)>,
}

/// A system to check: replicas `0..n` in a chain, then a gateway for each client, then the clients.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many replicas.
    pub replicas: usize,
    /// The clients, each behind a gateway of its own.
    pub clients: Vec<Client>,
    /// How many crashes, each with a recovery, in all.
    pub crashes: u8,
    /// Who may crash.
    pub mortal: Mortal,
    /// Whether messages are lost for good.
    pub lossy: bool,
    /// Whether a deadline may pass at any moment.
    pub deadlines: bool,
    /// Whether gateways begin with an older view, of the reversed chain.
    pub stale_gateways: bool,
    /// Whether clients and gateways hear from each other at any later time, rather than at once.
    pub slow_clients: bool,
    /// What must be reachable.
    pub reached: Vec<Reached>,
}

/// Who may crash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mortal {
    /// Replicas and gateways.
    All,
    /// Replicas.
    Replicas,
    /// Gateways.
    Gateways,
}

impl Client {
    /// A client of the tail that works on key `x`.
    pub fn new(ops: impl IntoIterator<Item = Op>) -> Self {
        let ops = ops.into_iter().map(|op| (Key::from("x"), op)).collect();
        Client { nearest: None, ops }
    }

    /// The same, reading from the replica at this place.
    pub fn near(mut self, replica: usize) -> Self {
        self.nearest = Some(replica);
        self
    }

    /// The same, with its operation number `index` on another key.
    pub fn on(mut self, index: usize, key: &str) -> Self {
        self.ops[index].0 = key.into();
        self
    }
}

impl Setup {
    /// A chain without crashes or losses.
    pub fn new(replicas: usize, clients: impl IntoIterator<Item = Client>) -> Self {
        Setup {
            replicas,
            clients: clients.into_iter().collect(),
            crashes: 0,
            mortal: Mortal::All,
            lossy: false,
            deadlines: false,
            stale_gateways: false,
            slow_clients: false,
            reached: vec![Reached::AllReturned],
        }
    }

    /// With so many crashes of these actors.
    pub fn crashes(mut self, crashes: u8, mortal: Mortal) -> Self {
        (self.crashes, self.mortal) = (crashes, mortal);
        self
    }

    /// With these reachable, too.
    pub fn reached(mut self, reached: impl IntoIterator<Item = Reached>) -> Self {
        self.reached.extend(reached);
        self
    }

    /// The chain's only view.
    fn view(&self) -> View {
        View { epoch: 2, chain: (0..self.replicas).map(Id::from).collect() }
    }

    /// The actors and their initialised stores.
    pub fn actors<M: Mechanisms>(
        &self,
        mechanisms: &M,
    ) -> Vec<(ProofActor<M>, Option<ProofStore>)> {
        let timeouts = Timeouts {
            resend: model_timeout(),
            retry: model_timeout(),
            deadline: self.deadlines.then_some(Duration::ZERO),
        };
        let clients = self.clients.len();
        let gateway = |client: usize| Id::from(self.replicas + client);
        let script = |client: usize| Id::from(self.replicas + clients + client);
        let replicas = (0..self.replicas).map(|_| {
            let mut store = ProofStore::default();
            Replica::init(&mut store, self.view());
            let replica = Replica::with(timeouts.clone(), mechanisms.clone());
            (ProofActor::Replica(replica), Some(store))
        });
        let gateways = self.clients.iter().enumerate().map(|(number, client)| {
            let mut store = ProofStore::default();
            Gateway::init(&mut store);
            let mut view = self.view();
            if self.stale_gateways {
                view.epoch -= 1;
                view.chain.reverse();
            }
            let nearest = client.nearest.map(Id::from);
            let timeouts = timeouts.clone();
            let gateway =
                Gateway::with(script(number), nearest, view, timeouts, mechanisms.clone());
            (ProofActor::Gateway(gateway), Some(store))
        });
        let scripts = self.clients.iter().enumerate().map(|(number, client)| {
            let script = Script { gateway: gateway(number), ops: client.ops.clone() };
            (ProofActor::Script(script), None)
        });
        replicas.chain(gateways).chain(scripts).collect()
    }

    fn mortal(&self) -> Vec<Id> {
        let gateways = self.replicas + self.clients.len();
        let range = match self.mortal {
            Mortal::All => 0..gateways,
            Mortal::Replicas => 0..self.replicas,
            Mortal::Gateways => self.replicas..gateways,
        };
        range.map(Id::from).collect()
    }

    /// The model that checks this.
    pub fn model<M: Mechanisms>(&self, mechanisms: &M, pruning: Pruning) -> ChainModel<M> {
        let mut model =
            Checked::new(History::default()).crashes(self.crashes, self.mortal()).pruning(pruning);
        if self.lossy {
            model = model.lossy();
        }
        if !self.slow_clients {
            model = model.local(is_local);
        }
        for (actor, store) in self.actors(mechanisms) {
            model = model.actor(actor, store);
        }
        let reached = self.reached.iter().map(|reached| reached.property());
        of_chain().into_iter().chain(reached).fold(model, Checked::property)
    }

    /// The model that also tears the steps of those who may crash.
    pub fn torn<M: Mechanisms>(&self, mechanisms: &M, order: Order) -> Torn<M> {
        let reached = self.reached.iter().map(|reached| reached.property());
        let properties = of_chain().into_iter().chain(reached).collect();
        Torn::new(self.actors(mechanisms), self.mortal(), self.crashes, order, properties)
    }
}

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        write!(f, "{} replica{}", self.replicas, plural(self.replicas))?;
        for client in &self.clients {
            let ops: Vec<_> = client.ops.iter().map(|(key, op)| spell(key, op)).collect();
            write!(f, ", client ({})", ops.join(", "))?;
            if let Some(nearest) = client.nearest {
                write!(f, " near {nearest}")?;
            }
        }
        f.write_str(", duplicating network")?;
        if self.lossy {
            f.write_str(" that loses")?;
        }
        if self.crashes > 0 {
            let who = match self.mortal {
                Mortal::All => "any actor",
                Mortal::Replicas => "a replica",
                Mortal::Gateways => "a gateway",
            };
            let (crashes, s) = (self.crashes, if self.crashes == 1 { "" } else { "es" });
            write!(f, ", {crashes} crash{s} of {who} with recovery")?;
        }
        if self.deadlines {
            f.write_str(", deadlines at any moment")?;
        }
        if self.slow_clients {
            f.write_str(", slow clients")?;
        }
        if self.stale_gateways {
            f.write_str(", gateways with an older view")?;
        }
        Ok(())
    }
}

/// What a client and its gateway say to each other, inside one process.
fn is_local(msg: &Msg) -> bool {
    matches!(msg, Msg::Opened { .. } | Msg::Invoke { .. } | Msg::Return { .. })
}

/// An operation, as short as it can be read.
pub(crate) fn spell(key: &Key, op: &Op) -> String {
    let text = |value: &Value| value.escape_ascii().to_string();
    let key = key.escape_ascii();
    match op {
        Op::Get => format!("get {key}"),
        Op::Put(value) => format!("put {key}={}", text(value)),
        Op::Create(value) => format!("create {key}={}", text(value)),
        Op::Update(value) => format!("update {key}={}", text(value)),
        Op::Delete => format!("delete {key}"),
        Op::CompareAndSwap { expected, new } => {
            format!("cas {key} {}->{}", text(expected), text(new))
        }
        Op::Increment(by) => format!("incr {key} by {by}"),
    }
}
