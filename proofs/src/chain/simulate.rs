//! A chain to simulate: three coordinators, four replicas, three gateways with a client each.

use crate::chain::invariants::of_chain;
use crate::chain::world::FIRST_EPOCH;
use crate::chain::world::{ProofActor, ProofStore, Sight, World, decided, installed, newest};
use crate::history::History;
use crate::simulate::clients::{Habits, reconsidered};
use crate::simulate::dice::Dice;
use crate::simulate::scene::{Figures, Link, Role, Scene, Subject};
use chainring_model::chain::msg::{Invoke, Opened, Reply, Resumed, Return};
use chainring_model::chain::{
    ChainState, Gateway, Msg, Nested, Reads, Replica, Script, Timeouts, View,
};
use chainring_model::coordinator::Coordinator;
use chainring_model::kv::{Key, Op, Outcome};
use chainring_model::{Mechanism, Mechanisms};
use stateright::actor::{Envelope, Id};
use stateright::{Model, Property};
use std::time::Duration;

/// How many replicas there are.
const REPLICAS: usize = 4;

/// How many gateways, and as many clients.
const GATEWAYS: usize = 3;

/// How many coordinators.
const COORDINATORS: usize = 3;

/// What is done in the lanes.
const HABITS: Habits =
    Habits { names: &["a", "b", "c"], same_keys: 8, below: [30, 40, 55, 75, 82, 88, 94] };

/// What is done in each lane of a client, in order.
type Lanes = Vec<Vec<(Key, Op)>>;

/// A state of it.
type ChainScene<M> = Scene<ProofActor<M>, History>;

/// A chain, and what its clients do: drawn from a seed.
pub struct Simulated<M: Mechanisms> {
    mechanisms: M,
    actors: Vec<ProofActor<M>>,
    stores: Vec<Option<ProofStore>>,
    /// Whether a node is one process with a replica, a gateway and a coordinator, as in production.
    is_together: bool,
}

impl<M: Mechanisms> Simulated<M> {
    /// The chain of a seed.
    pub fn draw(mechanisms: &M, dice: &mut Dice) -> Self {
        let timeouts = timeouts(dice);
        let members = dice.pick(&[REPLICAS, REPLICAS, REPLICAS - 1]);
        let coordinators = REPLICAS + 2 * GATEWAYS..REPLICAS + 2 * GATEWAYS + COORDINATORS;
        let view = View::new(FIRST_EPOCH, (0..members).map(Id::from).collect())
            .decided_by(coordinators.map(Id::from).collect());
        let window = dice.pick(&[None, Some(3), Some(8)]);
        let parts = dice.pick(&[1, 3, 10]);
        let retained = dice.pick(&[0, 200, 1000, 100_000]);
        let gateway = |number: usize| Id::from(REPLICAS + number);
        let script = |number: usize| Id::from(REPLICAS + GATEWAYS + number);
        let mut cast: Vec<(ProofActor<M>, Option<ProofStore>)> = Vec::new();
        for _ in 0..REPLICAS {
            let mut store = ProofStore::default();
            Replica::init(&mut store, view.clone());
            let replica = Replica::with(timeouts.clone(), mechanisms.clone()).parts(parts);
            let replica = replica.retaining(retained);
            let replica = window.into_iter().fold(replica, Replica::window);
            cast.push((ProofActor::Replica(replica), Some(store)));
        }
        for number in 0..GATEWAYS {
            let mut store = ProofStore::default();
            Gateway::init(&mut store);
            let nearest = Some(Id::from(dice.below(REPLICAS as u64) as usize));
            let (client, timeouts) = (script(number), timeouts.clone());
            let (view, mechanisms) = (view.clone(), mechanisms.clone());
            let gateway = Gateway::with(client, nearest, view, timeouts, mechanisms);
            cast.push((ProofActor::Gateway(gateway), Some(store)));
        }
        let mut value = 0;
        for number in 0..GATEWAYS {
            let reads = dice.pick(&[Reads::Any, Reads::Any, Reads::Tail]);
            let (gateway, lanes) = (gateway(number), lanes(dice, &mut value));
            cast.push((ProofActor::Script(Script { gateway, reads, lanes, lists: None }), None));
        }
        for _ in 0..COORDINATORS {
            let mut store = Nested(ProofStore::default());
            Coordinator::init(&mut store, view.clone());
            let followers = (0..GATEWAYS).map(gateway).collect();
            let timeouts = timeouts.views.clone();
            let coordinator = Coordinator::with(followers, timeouts, mechanisms.clone());
            cast.push((ProofActor::Coordinator(coordinator), Some(store.0)));
        }
        let (actors, stores) = cast.into_iter().unzip();
        let is_together = dice.below(3) == 0;
        Simulated { mechanisms: mechanisms.clone(), actors, stores, is_together }
    }
}

/// Those of production; or with rarer heartbeats, or quicker suspicions, or other deadlines. A
/// write that is never given up must end.
fn timeouts(dice: &mut Dice) -> Timeouts {
    let ms = Duration::from_millis;
    let mut timeouts = Timeouts::default();
    timeouts.deadline = dice.pick(&[None, None, timeouts.deadline, Some(ms(400))]);
    match dice.below(4) {
        0 => timeouts.views.heartbeat = ms(100)..ms(200),
        1 => timeouts.views.suspect = ms(100)..ms(160), // while leases live
        _ => {}
    }
    timeouts.views.pause = dice.pick(&[timeouts.views.pause, 2]);
    timeouts.views.doublings = 0; // views are to change often
    timeouts
}

/// What a client does.
fn lanes(dice: &mut Dice, value: &mut i64) -> Lanes {
    let count = dice.within(2..5);
    (0..count).map(|_| HABITS.ops(dice, 60 / count as usize, value)).collect()
}

impl<M: Mechanisms> Model for Simulated<M> {
    type State = ChainScene<M>;
    type Action = ();

    fn init_states(&self) -> Vec<Self::State> {
        Vec::new()
    }

    fn actions(&self, _: &Self::State, _: &mut Vec<()>) {}

    fn next_state(&self, _: &Self::State, (): ()) -> Option<Self::State> {
        None
    }

    fn properties(&self) -> Vec<Property<Self>> {
        of_chain()
    }
}

impl<M: Mechanisms> Sight for ChainScene<M> {
    fn history(&self) -> &History {
        &self.history
    }

    fn states(&self) -> impl Iterator<Item = &ChainState<ProofStore>> {
        self.states.iter()
    }

    fn stores(&self) -> impl Iterator<Item = Option<&ProofStore>> {
        self.stores.iter().map(Option::as_ref)
    }

    fn messages(&self) -> impl Iterator<Item = Envelope<&Msg>> {
        self.under_way.values().map(|it| Envelope { src: it.src, dst: it.dst, msg: &it.msg })
    }

    fn is_anyone_down(&self) -> bool {
        self.down.contains(&true)
    }
}

impl<M: Mechanisms> World for Simulated<M> {
    type Mechanisms = M;
    type System = ChainScene<M>;

    fn system(state: &ChainScene<M>) -> &ChainScene<M> {
        state
    }

    fn actors(&self) -> &[ProofActor<M>] {
        &self.actors
    }

    fn crashes(state: &ChainScene<M>) -> u8 {
        u8::try_from(state.crashes).unwrap_or(u8::MAX)
    }

    fn is_mid_step(_: &ChainScene<M>, _: Id) -> bool {
        false
    }
}

impl<M: Mechanisms> Subject for Simulated<M> {
    type Actor = ProofActor<M>;
    type History = History;

    fn cast(&self) -> Vec<Role<ProofActor<M>>> {
        let mut processes = 0..;
        let roles = self.actors.iter().zip(&self.stores).enumerate().map(|(id, (actor, store))| {
            let (letter, place) = match actor {
                ProofActor::Replica(_) => ('r', id),
                ProofActor::Gateway(_) => ('g', id - REPLICAS),
                ProofActor::Script(_) => ('s', id - REPLICAS - GATEWAYS),
                ProofActor::Coordinator(_) => ('c', id - REPLICAS - 2 * GATEWAYS),
            };
            let alone = if letter == 's' { None } else { processes.next() };
            let together = (letter != 's').then_some(place);
            Role {
                name: format!("{letter}{place}"),
                actor: actor.clone(),
                store: store.clone(),
                process: if self.is_together { together } else { alone },
            }
        });
        roles.collect()
    }

    fn history(&self) -> History {
        History::default()
    }

    fn link(&self, envelope: Envelope<&Msg>) -> Link {
        match envelope.msg {
            Msg::Invoke(Invoke { id, .. }) => Link::Thinking(id.lane),
            Msg::Return(_) | Msg::Opened(_) => Link::Inside,
            Msg::Request(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => Link::Network,
        }
    }

    fn reconsider(&self, scene: &ChainScene<M>, mut msg: Msg) -> Msg {
        if let Msg::Invoke(Invoke { key, op, .. }) = &mut msg {
            *key = reconsidered(&scene.history, key.clone(), op);
        }
        msg
    }

    fn saved(
        &self,
        scene: &ChainScene<M>,
        id: Id,
        before: &ProofStore,
        figures: &mut Figures,
    ) -> Option<History> {
        let after = scene.stores[usize::from(id)].as_ref()?;
        let mut decisions = scene.history.decisions().clone();
        match (decided(before), decided(after), installed(before), installed(after)) {
            (Some(before), Some(after), ..) => {
                if before != after && decisions.is_news(&after) {
                    figures.add("views decided", 1);
                    let grown = before.chain.len() < after.chain.len();
                    figures.add("learners appended", u64::from(grown));
                }
                decisions.decide(&before, &after);
            }
            (_, _, Some(before), Some(after)) => decisions.move_on(&before, &after),
            _ => {} // a gateway's first other view than the one that it is configured with
        }
        (decisions != *scene.history.decisions()).then(|| scene.history.decided(decisions))
    }

    fn count(&self, scene: &ChainScene<M>, envelope: Envelope<&Msg>, figures: &mut Figures) {
        let is_replica = |id: Id| usize::from(id) < REPLICAS;
        match envelope.msg {
            Msg::Return(Return { outcome, .. }) => figures.add(
                match outcome {
                    Outcome::Unknown => "operations unknown",
                    Outcome::Value(_)
                    | Outcome::Done
                    | Outcome::Number(_)
                    | Outcome::Refused(_) => "operations returned",
                },
                1,
            ),
            Msg::Invoke(_) => figures.add("operations invoked", 1),
            Msg::Opened(Opened { incarnation: 2.. }) => figures.add("gateways restarted", 1),
            Msg::Resumed(Resumed { goes_on, .. }) => figures.add(
                match goes_on {
                    true => "learners let go on",
                    false => "learners refused to go on",
                },
                1,
            ),
            Msg::Request(_) if is_replica(envelope.src) => figures.add("reads forwarded", 1),
            Msg::Reply(Reply { outcome: Outcome::Value(_), .. }) => {
                let view = match &scene.states[usize::from(envelope.src)] {
                    ChainState::Replica(replica) => &replica.view,
                    ChainState::Stopped
                    | ChainState::Gateway(_)
                    | ChainState::Coordinator(_)
                    | ChainState::Script(_) => return,
                };
                let which = match view.tail() == Some(envelope.src) {
                    true => "reads by tails",
                    false => "reads by others",
                };
                figures.add(which, 1);
            }
            Msg::Reply(_) => {
                if let ChainState::Replica(replica) = &scene.states[usize::from(envelope.src)]
                    && replica.view.chain.len() > 1
                    && replica.view.head() == Some(envelope.src)
                {
                    figures.add("retries suppressed", 1);
                }
            }
            Msg::Opened(_)
            | Msg::Request(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_) => {}
        }
    }

    fn can_spare(&self, scene: &ChainScene<M>, process: &[Id]) -> bool {
        // Coordinators do not change, and a chain lives as long as one of its members.
        !self.is_together
            && process.iter().all(|id| usize::from(*id) < REPLICAS)
            && newest(scene).is_some_and(|view| view.chain.len() > 2)
    }

    fn is_finished(&self, scene: &ChainScene<M>) -> bool {
        let states = self.actors.iter().zip(&scene.states);
        states.into_iter().all(|(actor, state)| match (actor, state) {
            (ProofActor::Script(script), ChainState::Script(state)) => script.is_finished(state),
            _ => true,
        })
    }

    fn renewed(&self, id: Id) -> Option<ProofStore> {
        let mistaken = !self.mechanisms.has(Mechanism::StoreRequired);
        mistaken.then(|| self.stores[usize::from(id)].clone()).flatten()
    }

    fn shown(&self) -> &'static [&'static str] {
        &["learners appended", "operations unknown", "reads by others", "views decided"]
    }
}
