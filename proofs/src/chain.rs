//! Configurations of a chain, as values.

use crate::checked::{Checked, Pruning};
use crate::history::History;
use crate::invariants::{Reached, of_chain};
use crate::run::{Options, Report, run};
use crate::spent::{alike, is_spent};
use crate::torn::{Order, Torn};
use crate::world::{ChainModel, ProofActor, ProofStore, System, decided, installed, messages};
use chainring_model::chain::{
    ChainState, Gateway, Msg, Nested, Replica, Script, Timeouts, Timer, View,
};
use chainring_model::coordinator::{self, Coordinator};
use chainring_model::kv::{Key, Op, Value};
use chainring_model::{Intact, Mechanism, Mechanisms, Without};
use stateright::actor::{ActorModelAction, Envelope, Id, model_timeout};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::time::Duration;

/// The epoch of the view that every model begins with.
pub const FIRST_EPOCH: u64 = 2;

/// What one client does, and which replica its gateway reads from (the tail where none is named).
#[derive(Clone, Debug)]
pub struct Client {
    /// The replica's place in the chain.
    pub nearest: Option<usize>,
    /// What it does in each of its gateway's lanes, in order; lanes go on side by side.
    pub lanes: Vec<Vec<(Key, Op)>>,
}

/// A system to check: replicas `0..n` in a chain, then a gateway for each client, then the clients,
/// then the coordinators.
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
    /// How many coordinators decide views; without any, the first one stays.
    pub coordinators: usize,
    /// How many of them suspect anyone, each any member at any time.
    pub proposers: usize,
    /// How many view changes there are, at the most.
    pub views: u64,
    /// Whether a coordinator goes on suspecting, and begins another ballot, while a proposal of its own waits:
    /// so that several members are removed at once, and members are heard again in between.
    pub impatient: bool,
    /// Who may be suspected; anyone, where nobody is named.
    pub suspects: Vec<usize>,
    /// How many more heartbeats than its first each start of a replica sends, at the most.
    pub heartbeats: u64,
    /// Whether heartbeats and grants arrive at once.
    pub swift_leases: bool,
    /// Whether clients and gateways hear from each other at any later time, rather than at once.
    pub slow_clients: bool,
    /// How many entries a window holds; as many as in production if none is given.
    pub window: Option<usize>,
    /// What must be reachable.
    pub reached: Vec<Reached>,
}

/// Who may crash.
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
}

impl Client {
    /// A client of the tail that works on key `x`.
    pub fn new(ops: impl IntoIterator<Item = Op>) -> Self {
        let ops = ops.into_iter().map(|op| (Key::from("x"), op)).collect();
        Client { nearest: None, lanes: vec![ops] }
    }

    /// The same, reading from the replica at this place.
    pub fn near(mut self, replica: usize) -> Self {
        self.nearest = Some(replica);
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
            clients: clients.into_iter().collect(),
            crashes: 0,
            mortal: Mortal::All,
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
            reached: vec![Reached::AllReturned],
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

    /// Where heartbeats and grants of the suspected take their time, and so many more heartbeats are sent.
    pub fn slow_leases(mut self, heartbeats: u64) -> Self {
        (self.swift_leases, self.heartbeats) = (false, heartbeats);
        self
    }

    /// With these reachable, too.
    pub fn reached(mut self, reached: impl IntoIterator<Item = Reached>) -> Self {
        self.reached.extend(reached);
        self
    }

    /// The chain's first view.
    fn view(&self) -> View {
        let first = self.replicas + 2 * self.clients.len();
        let coordinators = (first..first + self.coordinators).map(Id::from).collect();
        View::new(FIRST_EPOCH, (0..self.replicas).map(Id::from).collect()).decided_by(coordinators)
    }

    /// The actors and their initialised stores.
    pub fn actors<M: Mechanisms>(
        &self,
        mechanisms: &M,
    ) -> Vec<(ProofActor<M>, Option<ProofStore>)> {
        let timeouts = Timeouts {
            resend: model_timeout(),
            resend_doublings: 0,
            retry: model_timeout(),
            deadline: self.deadlines.then_some(Duration::ZERO),
            ..Timeouts::default()
        };
        let clients = self.clients.len();
        let gateway = |client: usize| Id::from(self.replicas + client);
        let script = |client: usize| Id::from(self.replicas + clients + client);
        let replicas = (0..self.replicas).map(|_| {
            let mut store = ProofStore::default();
            Replica::init(&mut store, self.view());
            let mut replica = Replica::with(timeouts.clone(), mechanisms.clone());
            if let Some(window) = self.window {
                replica = replica.window(window);
            }
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
            let script = Script { gateway: gateway(number), lanes: client.lanes.clone() };
            (ProofActor::Script(script), None)
        });
        let coordinators = (0..self.coordinators).map(|_| {
            let mut store = Nested(ProofStore::default());
            Coordinator::init(&mut store, self.view());
            let followers = (0..clients).map(gateway).collect();
            let timeouts = timeouts.views.clone();
            let coordinator = Coordinator::with(followers, timeouts, mechanisms.clone());
            (ProofActor::Coordinator(coordinator), Some(store.0))
        });
        replicas.chain(gateways).chain(scripts).chain(coordinators).collect()
    }

    fn mortal(&self) -> Vec<Id> {
        let gateways = self.replicas + self.clients.len();
        let coordinators = gateways + self.clients.len()..;
        let coordinators = coordinators.take(self.coordinators);
        let range = match self.mortal {
            Mortal::All => 0..gateways,
            Mortal::Replicas | Mortal::Members => 0..self.replicas,
            Mortal::Gateways => self.replicas..gateways,
            Mortal::Coordinators => 0..0,
        };
        let too = match self.mortal {
            Mortal::All | Mortal::Members | Mortal::Coordinators => self.coordinators,
            Mortal::Replicas | Mortal::Gateways => 0,
        };
        range.chain(coordinators.take(too)).map(Id::from).collect()
    }

    /// The model that checks this.
    pub fn model<M: Mechanisms>(&self, mechanisms: &M, pruning: Pruning) -> ChainModel<M> {
        let mut model =
            Checked::new(History::default()).crashes(self.crashes, self.mortal()).pruning(pruning);
        if self.lossy {
            model = model.lossy();
        }
        let this = self.clone();
        model = model.local(move |envelope| this.is_local(envelope));
        if self.coordinators > 0 {
            let this = self.clone();
            model = model.scope(move |system, action| this.is_in_scope(system, action));
            model = model.witness(witness);
            if mechanisms.has(Mechanism::LeaseFromSending) {
                model = model.assume(clocks_run_alike);
            }
        }
        let (actors, stores): (Vec<_>, Vec<_>) = self.actors(mechanisms).into_iter().unzip();
        let all: Arc<[_]> = actors.clone().into();
        if !self.lossy && !self.stale_gateways {
            let (all, mechanisms) = (Arc::clone(&all), mechanisms.clone());
            let spent = move |system: &_, parcel: &_| is_spent(&mechanisms, &all, system, parcel);
            model = model.spent(spent);
        }
        model = model.alike(move |parcel| alike(&all, parcel));
        for (actor, store) in actors.into_iter().zip(stores) {
            model = model.actor(actor, store);
        }
        let reached = self.reached.iter().map(|reached| reached.property());
        of_chain().into_iter().chain(reached).fold(model, Checked::property)
    }

    /// Explores this, of the protocol as it is, or without a mechanism.
    pub fn check(&self, lacks: Option<Mechanism>, pruning: Pruning, options: &Options) -> Report {
        match lacks {
            None => run(|| self.model(&Intact, pruning), options),
            Some(mechanism) => run(|| self.model(&Without(mechanism), pruning), options),
        }
    }

    /// Explores this with torn steps.
    pub fn check_torn(&self, order: Order, options: &Options) -> Report {
        run(|| self.torn(&Intact, order), options)
    }

    /// Which messages arrive at once: those inside a process; and heartbeats and grants, where they are
    /// swift, and otherwise still of those whom nobody suspects.
    fn is_local(&self, Envelope { src, dst, msg }: Envelope<&Msg>) -> bool {
        use coordinator::Msg::{Heartbeat, Lease};
        let is_slow = |replica: Id| {
            let (place, suspects) = (usize::from(replica), &self.suspects);
            !self.swift_leases && (suspects.is_empty() || suspects.contains(&place))
        };
        match msg {
            Msg::Opened { .. } | Msg::Invoke { .. } | Msg::Return { .. } => !self.slow_clients,
            Msg::Views(Heartbeat { .. }) => !is_slow(src),
            Msg::Views(Lease { .. }) => !is_slow(dst),
            _ => false,
        }
    }

    /// Which timers fire. What is left out, and why nothing is lost by that:
    ///
    /// - suspicions beyond the number of view changes, heartbeats beyond theirs, and ballots beyond those
    ///   that a crash or impatience makes necessary: these bound the model;
    /// - suspicions and ballots of a coordinator whose own proposal is under way, unless it is impatient: they
    ///   would not change the proposal, and can come after it;
    /// - gateways do not ask for views, for no announcement is lost for good;
    /// - a lease lapses, and a grant ends, when somebody waits for that: earlier it would change nothing
    ///   but what a read delayed until then would show, too.
    fn is_in_scope<M: Mechanisms, Msg>(
        &self,
        system: &System<M>,
        action: &ActorModelAction<Msg, Timer, ()>,
    ) -> bool {
        let ActorModelAction::Timeout(id, timer) = action else { return true };
        let state = |id: Id| &*system.actor_states[usize::from(id)];
        let open = |view: &View| view.epoch < FIRST_EPOCH + self.views;
        match (timer, state(*id)) {
            (Timer::Heartbeat, ChainState::Replica(state)) => state.lease.n <= self.heartbeats,
            (Timer::Follow, _) => false,
            (Timer::Lapse(_), _) => {
                self.view().coordinators.iter().any(|other| awaits_end(system, *other, *id))
            }
            (Timer::Views(timer), ChainState::Coordinator(state)) => match timer {
                coordinator::Timer::Suspect(member) => {
                    let suspects = &self.suspects;
                    let place = state.decided.coordinators.iter().position(|other| other == id);
                    open(&state.decided)
                        && (self.impatient || state.proposal.is_none())
                        && place.is_some_and(|place| place < self.proposers)
                        && (suspects.is_empty() || suspects.contains(&usize::from(*member)))
                }
                coordinator::Timer::Expire(member) => awaits_end(system, *id, *member),
                coordinator::Timer::Drive => {
                    let rounds = if self.crashes > 0 || self.impatient { 2 } else { 1 };
                    open(&state.decided)
                        && (self.impatient || state.proposal.is_none())
                        && state.promised.is_none_or(|promised| promised.round < rounds)
                }
            },
            _ => true,
        }
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
            let lanes = client.lanes.iter().map(|ops| {
                let ops: Vec<_> = ops.iter().map(|(key, op)| spell(key, op)).collect();
                format!("({})", ops.join(", "))
            });
            write!(f, ", client {}", lanes.collect::<Vec<_>>().join(" beside "))?;
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
                Mortal::Members => "a replica or coordinator",
                Mortal::Coordinators => "a coordinator",
                Mortal::Replicas => "a replica",
                Mortal::Gateways => "a gateway",
            };
            let (crashes, s) = (self.crashes, if self.crashes == 1 { "" } else { "es" });
            write!(f, ", {crashes} crash{s} of {who} with recovery")?;
        }
        if self.deadlines {
            f.write_str(", deadlines at any moment")?;
        }
        if let Some(window) = self.window {
            write!(f, ", windows of {window}")?;
        }
        if self.slow_clients {
            f.write_str(", slow clients")?;
        }
        if self.coordinators > 0 {
            let (count, views) = (self.coordinators, self.views);
            let times = if self.impatient { ", and again while a proposal waits" } else { "" };
            let who = match &self.suspects[..] {
                [] => "anyone".to_string(),
                some => format!("{some:?}"),
            };
            write!(
                f,
                ", {count} coordinator{}, {who} suspected at any time{times}",
                plural(count)
            )?;
            write!(f, ", {views} view change{}", plural(views as usize))?;
            match self.swift_leases {
                true => f.write_str(", leases granted at once, clocks run alike")?,
                false => write!(f, ", {} more heartbeats, clocks run alike", self.heartbeats)?,
            }
        }
        if self.stale_gateways {
            f.write_str(", gateways with an older view")?;
        }
        Ok(())
    }
}

/// Whether the coordinator would vote for a view without the member if its grants had ended.
fn awaits_end<M: Mechanisms>(system: &System<M>, coordinator: Id, member: Id) -> bool {
    let ChainState::Coordinator(state) = &*system.actor_states[usize::from(coordinator)] else {
        return false;
    };
    let without =
        |view: &View| view.epoch == state.decided.epoch + 1 && !view.chain.contains(&member);
    let proposed = state.proposal.as_ref().and_then(|proposal| proposal.view.as_ref());
    proposed.is_some_and(without)
        || messages(system).any(|envelope| match envelope.msg {
            Msg::Views(coordinator::Msg::Accept { view, .. }) => {
                envelope.dst == coordinator && without(view)
            }
            _ => false,
        })
}

/// **The clock assumption**, and the only one: a replica's timer for a heartbeat, set before the heartbeat
/// was sent, ends before the timer of a coordinator that granted it, set later and for longer. So there is
/// no state in which a coordinator's *own timer* has ended its newest grant to a replica while that replica
/// still counts a grant that this coordinator gave it.
///
/// Grants are told apart by the start and the number of their heartbeat. A replica that counts a grant
/// which was never given, and a coordinator that does not wait because it has forgotten a grant, are errors
/// of the protocol, and stay.
fn clocks_run_alike<M: Mechanisms>(system: &System<M>) -> bool {
    let decisions = system.history.decisions();
    system.actor_states.iter().enumerate().all(|(id, state)| match &**state {
        ChainState::Replica(replica) => {
            let lease = &replica.lease;
            decisions.ended(Id::from(id)).all(|(coordinator, ended)| {
                let mut counted = lease.held.iter().chain(&lease.asked);
                !counted.any(|heartbeat| {
                    heartbeat.grants.contains(&coordinator) && (lease.boot, heartbeat.n) <= ended
                })
            })
        }
        _ => true,
    })
}

/// What a step does to views and leases.
fn witness<M: Mechanisms, Msg>(
    before: &System<M>,
    action: &ActorModelAction<Msg, Timer, ()>,
    after: &System<M>,
) -> Option<History> {
    let mut decisions = after.history.decisions().clone();
    for (before, after) in before.actor_storages.iter().zip(&after.actor_storages) {
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            match (decided(before), decided(after), installed(before), installed(after)) {
                (Some(before), Some(after), ..) => decisions.decide(&before, &after),
                (_, _, Some(before), Some(after)) => decisions.move_on(&before, &after),
                _ => {} // a gateway's first other view than the one that it is configured with
            }
        }
    }
    let coordinators = after.actor_storages.iter().flatten();
    let epochs = coordinators.filter_map(|store| Some(decided(store)?.epoch));
    decisions.forget(epochs.min().unwrap_or(0));
    if let ActorModelAction::Timeout(id, Timer::Views(coordinator::Timer::Expire(member))) = action
    {
        decisions.end_grants(*id, *member);
    }
    decisions.keep_grants(|member, upto| may_count(after, member, upto));
    (decisions != *after.history.decisions()).then(|| after.history.decided(decisions))
}

/// Whether a member counts, or may yet count, a grant for a heartbeat up to this one. Those that it sends later
/// have greater numbers, and so have those of its next start.
fn may_count<M: Mechanisms>(system: &System<M>, member: Id, upto: (u32, u64)) -> bool {
    match &*system.actor_states[usize::from(member)] {
        ChainState::Replica(replica) => {
            let lease = &replica.lease;
            let mut heartbeats = lease.held.iter().chain(&lease.asked);
            heartbeats.any(|heartbeat| (lease.boot, heartbeat.n) <= upto)
        }
        _ => false,
    }
}

/// An operation, as short as it can be read.
fn spell(key: &Key, op: &Op) -> String {
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
