//! A ring to simulate: three coordinators, five or six nodes of which four begin in the ring, three
//! gateways with some clients each; and watchers of the nodes, and an operator.
//!
//! Failures are detected by gossip, which is not simulated: *watchers* stand in for it. Each says
//! from time to time which nodes is gone, to every coordinator; mostly rightly, and in some runs
//! often wrongly. An operator tells nodes to leave, and to come back. Watchers and operator are
//! processes too, and do not say anything while they are down.
//!
//! No disk of a node is lost: a node that loses one comes back as another one, which is a node that
//! is gone and another that joins.

use crate::claim::Claim;
use crate::history::{History, Recorder};
use crate::ring::invariants::{
    is_at_most_once, is_durable, is_one_lineage, is_one_value_per_ballot, is_one_view,
    is_refused_for_good, newest_view, quorums,
};
use crate::ring::world::{Held, Sight, decided, installed};
use crate::ring::world::{ProofActor, ProofStore};
use crate::simulate::clients::{Habits, reconsidered};
use crate::simulate::dice::Dice;
use crate::simulate::scene::{Figures, Link, Role, Scene, Subject};
use crate::simulate::weather::{MS, Micros};
use chainring_model::Mechanisms;
use chainring_model::coordinator::{self, Coordinator};
use chainring_model::kv::{Key, OpId, Outcome, Refusal};
use chainring_model::ring::msg::{Belong, Copies, Invoke, Opened, Return, Rows};
use chainring_model::ring::{
    self, Gateway, Msg, Nested, Node, RECENT, Report, Ring, RingActor, RingState, Row, Script,
    Timeouts, View,
};
use chainring_model::store::Store;
use stateright::actor::{Envelope, Id};
use stateright::{Model, Property};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How many nodes are in the ring at the beginning.
const MEMBERS: usize = 4;

/// How many gateways.
const GATEWAYS: usize = 3;

/// How many coordinators.
const COORDINATORS: usize = 3;

/// How many watchers; the first one speaks for the operator, too.
const WATCHERS: usize = 3;

/// How many replicas a key has.
const REPLICAS: u8 = 3;

/// The mean time between what watchers say.
const WATCH: Micros = 300 * MS;

/// How many operations the clients of a gateway have between them.
const OPERATIONS: usize = 60;

/// What they do.
const HABITS: Habits =
    Habits { names: &["a", "b"], same_keys: 10, below: [25, 32, 45, 62, 70, 80, 84] };

/// A state of it.
type RingScene<M> = Scene<ProofActor<M>, Chronicle>;

/// A ring, and what its clients do: drawn from a seed.
pub struct Simulated<M: Mechanisms> {
    actors: Vec<ProofActor<M>>,
    stores: Vec<Option<ProofStore>>,
    /// Which actor is what.
    nodes: Range<usize>,
    gateways: Range<usize>,
    coordinators: Range<usize>,
    watchers: Range<usize>,
    /// How many operations a register remembers.
    recent: usize,
    /// How often a watcher is wrong, in a million.
    slander: u64,
    /// How often the operator wants something, rather than a watcher, in a million.
    orders: u64,
    /// Whether a node, a gateway and a coordinator are one process, as in production.
    is_together: bool,
}

/// What clients saw; and what they know to have happened to each key.
#[derive(Clone, Debug, Default, Hash, PartialEq)]
pub struct Chronicle {
    history: History,
    /// The updates that were begun, and on what.
    begun: Arc<BTreeMap<OpId, Key>>,
    /// The updates that were acknowledged.
    acknowledged: Arc<BTreeMap<Key, Vec<OpId>>>,
}

impl<M: Mechanisms> Simulated<M> {
    /// The ring of a seed.
    pub fn draw(mechanisms: &M, dice: &mut Dice) -> Self {
        let timeouts = timeouts(dice);
        let recent = dice.pick(&[RECENT, RECENT, 2]);
        let lanes: Vec<usize> = (0..GATEWAYS).map(|_| dice.within(2..5) as usize).collect();
        let nodes = 0..dice.pick(&[5, 6]);
        let gateways = nodes.end..nodes.end + GATEWAYS;
        let scripts = gateways.end..gateways.end + lanes.iter().sum::<usize>();
        let coordinators = scripts.end..scripts.end + COORDINATORS;
        let watchers = coordinators.end..coordinators.end + WATCHERS;
        let ring = Ring::with((0..MEMBERS).map(Id::from), dice.within(1..5) as u32, REPLICAS);
        let view = View::stable(1, ring).decided_by(coordinators.clone().map(Id::from).collect());
        let mut cast: Vec<(ProofActor<M>, Option<ProofStore>)> = Vec::new();
        for _ in nodes.clone() {
            let mut store = ProofStore::default();
            Node::init(&mut store, view.clone());
            let node = Node::with(recent, timeouts.clone(), mechanisms.clone());
            cast.push((RingActor::Node(node), Some(store)));
        }
        let mut first = scripts.start;
        for lanes in &lanes {
            let mut store = ProofStore::default();
            Gateway::init(&mut store, view.clone());
            let clients = (first..first + lanes).map(Id::from).collect();
            first += lanes;
            let (timeouts, mechanisms) = (timeouts.clone(), mechanisms.clone());
            let gateway = Gateway::with(clients, recent, None, timeouts, mechanisms);
            cast.push((RingActor::Gateway(gateway), Some(store)));
        }
        let mut value = 0;
        for (gateway, lanes) in gateways.clone().map(Id::from).zip(lanes) {
            for lane in 0..lanes as u32 {
                let ops = HABITS.ops(dice, OPERATIONS / lanes, &mut value);
                cast.push((RingActor::Script(Script { gateway, lane, ops }), None));
            }
        }
        for _ in coordinators.clone() {
            let mut store = Nested(ProofStore::default());
            Coordinator::init(&mut store, view.clone());
            let followers = gateways.clone().map(Id::from).collect();
            let timeouts = timeouts.views.clone();
            let coordinator = Coordinator::with(followers, timeouts, mechanisms.clone());
            cast.push((RingActor::Coordinator(coordinator), Some(store.0)));
        }
        for gateway in watchers.clone().map(Id::from) {
            // One that has nothing to do of its own.
            cast.push((RingActor::Script(Script { gateway, lane: 0, ops: Vec::new() }), None));
        }
        let (actors, stores) = cast.into_iter().unzip();
        let slander = dice.pick(&[0, 20_000, 100_000, 300_000]);
        let orders = dice.pick(&[0, 50_000, 200_000]);
        let is_together = dice.below(3) == 0;
        Simulated {
            actors,
            stores,
            nodes,
            gateways,
            coordinators,
            watchers,
            recent,
            slander,
            orders,
            is_together,
        }
    }
}

/// Those of production; or with other deadlines, quicker sweeps, and newcomers that are given
/// another chance sooner.
fn timeouts(dice: &mut Dice) -> Timeouts {
    let ms = Duration::from_millis;
    let mut timeouts = Timeouts::default();
    timeouts.deadline = dice.pick(&[None, timeouts.deadline, Some(ms(400))]);
    timeouts.sweep = dice.pick(&[None, Some(ms(50)..ms(150)), Some(ms(300)..ms(1000))]);
    timeouts.repair = dice.pick(&[None, timeouts.repair, Some(ms(100)..ms(300))]);
    timeouts.slice = ms(10)..ms(30);
    timeouts.views.pause = dice.pick(&[timeouts.views.pause, 2, 0]);
    timeouts
}

/// Every acknowledged update is in the content that any quorum of the newest stable view leads to,
/// or was: each has made a version, and the last ones are remembered, but for those that a purge
/// has forgotten.
fn held<M: Mechanisms>(scene: &RingScene<M>, recent: usize) -> bool {
    let nodes = scene.nodes();
    let Some(view) = newest_view(&nodes).filter(View::is_stable) else { return true };
    let is_purged = nodes.iter().any(|node| node.floors.version > 0);
    scene.history.acknowledged.iter().all(|(key, ids)| {
        quorums(&view.new, key).iter().all(|quorum| {
            let members = nodes.iter().filter(|node| quorum.contains(&node.id));
            let registers = members.map(|node| node.register(key));
            let newest = registers.max_by_key(|it| (it.accepted, it.content.version));
            newest.is_some_and(|ring::Register { content, .. }| {
                content.version >= ids.len() as u64
                    && (is_purged
                        || content.recent.len() >= recent
                        || ids.iter().all(|id| content.outcome(id).is_some()))
            })
        })
    })
}

impl<M: Mechanisms> Model for Simulated<M> {
    type State = RingScene<M>;
    type Action = ();

    fn init_states(&self) -> Vec<Self::State> {
        Vec::new()
    }

    fn actions(&self, _: &Self::State, _: &mut Vec<()>) {}

    fn next_state(&self, _: &Self::State, (): ()) -> Option<Self::State> {
        None
    }

    /// Those of the models, and `held` key by key.
    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Claim::Linearizable.always(|_, scene: &RingScene<M>| scene.history().is_linearizable()),
            Claim::OneValuePerBallot.always(|_, scene| is_one_value_per_ballot(scene)),
            Claim::OneLineage.always(|this: &Self, scene| is_one_lineage(scene, this.recent)),
            Claim::Held.always(|this: &Self, scene| held(scene, this.recent)),
            Claim::AtMostOnce.always(|_, scene| is_at_most_once(scene)),
            Claim::RefusedForGood.always(|_, scene| is_refused_for_good(scene)),
            Claim::OneView.always(|_, scene| is_one_view(scene)),
            Claim::EpochsAdvance
                .always(|_, scene: &RingScene<M>| scene.history().decisions().advance()),
            Claim::IncarnationsGrow.always(|_, scene: &RingScene<M>| scene.history().starts_grow()),
            Claim::Durable.always(|_, scene| is_durable(scene, |_| false)),
        ]
    }
}

impl<M: Mechanisms> Sight for RingScene<M> {
    fn history(&self) -> &History {
        &self.history.history
    }

    fn states(&self) -> impl Iterator<Item = &RingState<ProofStore>> {
        self.states.iter()
    }

    fn stores(&self) -> impl Iterator<Item = Option<&ProofStore>> {
        self.stores.iter().map(Option::as_ref)
    }

    fn messages(&self) -> impl Iterator<Item = Envelope<&Msg>> {
        self.under_way.values().map(|it| Envelope { src: it.src, dst: it.dst, msg: &it.msg })
    }

    /// Remembers the last store of each: a step changes one of them.
    fn nodes(&self) -> Vec<Rc<Held>> {
        type Known = BTreeMap<usize, (ProofStore, Option<Rc<Held>>)>;
        thread_local! {
            static KNOWN: RefCell<Known> = RefCell::default();
        }
        KNOWN.with_borrow_mut(|known| {
            let stores = self.stores.iter().enumerate();
            let nodes = stores.filter_map(|(id, store)| {
                let store = store.as_ref()?;
                match known.get(&id) {
                    Some((seen, held)) if seen == store => held.clone(),
                    _ => {
                        let held = Held::of(Id::from(id), store).map(Rc::new);
                        known.insert(id, (store.clone(), held.clone()));
                        held
                    }
                }
            });
            nodes.collect()
        })
    }
}

impl Recorder<Msg> for Chronicle {
    fn sent(&self, envelope: Envelope<&Msg>) -> Option<Self> {
        let history = self.history.sent(envelope)?;
        let mut next = Chronicle { history, ..self.clone() };
        if let Msg::Invoke(Invoke { id, key, op }) = envelope.msg
            && !op.is_read()
        {
            Arc::make_mut(&mut next.begun).insert(*id, key.clone());
        }
        Some(next)
    }

    fn received(&self, envelope: Envelope<&Msg>) -> Option<Self> {
        let history = self.history.received(envelope)?;
        let mut next = Chronicle { history, ..self.clone() };
        if let Msg::Return(Return { id, .. }) = envelope.msg
            && next.history.acknowledged().contains(id)
            && let Some(key) = self.begun.get(id)
        {
            Arc::make_mut(&mut next.begun).remove(id);
            Arc::make_mut(&mut next.acknowledged).entry(key.clone()).or_default().push(*id);
        }
        Some(next)
    }

    fn heeds(msg: &Msg) -> bool {
        <History as Recorder<Msg>>::heeds(msg)
    }
}

impl<M: Mechanisms> Subject for Simulated<M> {
    type Actor = ProofActor<M>;
    type History = Chronicle;

    fn cast(&self) -> Vec<Role<ProofActor<M>>> {
        let mut processes = 0..;
        let roles = self.actors.iter().zip(&self.stores).enumerate().map(|(id, (actor, store))| {
            let (letter, place) = match actor {
                _ if self.nodes.contains(&id) => ('n', id),
                _ if self.gateways.contains(&id) => ('g', id - self.gateways.start),
                _ if self.coordinators.contains(&id) => ('c', id - self.coordinators.start),
                _ if self.watchers.contains(&id) => ('x', id - self.watchers.start),
                RingActor::Node(_)
                | RingActor::Gateway(_)
                | RingActor::Coordinator(_)
                | RingActor::Member(_)
                | RingActor::Oracle(_)
                | RingActor::Script(_) => ('s', id - self.gateways.end),
            };
            let process = match letter {
                's' => None,
                // A node's process is that of the gateway and the coordinator of its number.
                'g' | 'c' if self.is_together => Some(place),
                _ => processes.next(),
            };
            let (actor, store) = (actor.clone(), store.clone());
            Role { name: format!("{letter}{place}"), actor, store, process }
        });
        roles.collect()
    }

    fn history(&self) -> Chronicle {
        Chronicle::default()
    }

    fn link(&self, envelope: Envelope<&Msg>) -> Link {
        match envelope.msg {
            Msg::Invoke(Invoke { id, .. }) => Link::Thinking(id.lane),
            Msg::Return(_) | Msg::Opened(_) => Link::Inside,
            Msg::Read(_)
            | Msg::Vote(_)
            | Msg::Prepare(_)
            | Msg::Promise(_)
            | Msg::Accept(_)
            | Msg::Accepted(_)
            | Msg::Refuse(_)
            | Msg::Sweep(_)
            | Msg::Held(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Belong(_)
            | Msg::Views(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Compared(_)
            | Msg::Want(_)
            | Msg::Copies(_)
            | Msg::Behind(_) => Link::Network,
        }
    }

    fn reconsider(&self, scene: &RingScene<M>, mut msg: Msg) -> Msg {
        if let Msg::Invoke(Invoke { key, op, .. }) = &mut msg {
            *key = reconsidered(scene.history(), key.clone(), op);
        }
        msg
    }

    fn saved(
        &self,
        scene: &RingScene<M>,
        id: Id,
        before: &ProofStore,
        figures: &mut Figures,
    ) -> Option<Chronicle> {
        let after = scene.stores[usize::from(id)].as_ref()?;
        let mut decisions = scene.history().decisions().clone();
        match (decided(before), decided(after), installed(before), installed(after)) {
            (Some(before), Some(after), ..) => {
                if before != after && decisions.is_news(&after) {
                    note_view(&before, &after, figures);
                }
                decisions.decide(&before, &after);
            }
            (_, _, Some(before), Some(after)) => decisions.move_on(&before, &after),
            _ => {}
        }
        if self.nodes.contains(&usize::from(id)) && floors(before) != floors(after) {
            let tombstones = |store: &ProofStore| {
                store.iter().filter(|(key, _)| matches!(key, ring::Key::Tombstone(..))).count()
            };
            let purged = tombstones(before).saturating_sub(tombstones(after));
            figures.add("tombstones purged", purged as u64);
        }
        (decisions != *scene.history().decisions()).then(|| {
            let history = scene.history().decided(decisions);
            Chronicle { history, ..scene.history.clone() }
        })
    }

    fn count(&self, _: &RingScene<M>, envelope: Envelope<&Msg>, figures: &mut Figures) {
        let what = match envelope.msg {
            Msg::Return(Return { outcome: Outcome::Unknown, .. }) => "operations unknown",
            Msg::Return(Return { outcome: Outcome::Refused(Refusal::Unavailable), .. }) => {
                "operations unavailable"
            }
            Msg::Return(_) => "operations returned",
            Msg::Invoke(_) => "operations invoked",
            Msg::Opened(Opened { incarnation: 2.. }) => "clients told of a restart",
            Msg::Refuse(_) => "attempts refused",
            Msg::Rows(Rows { rows, .. }) if !rows.is_empty() => "copies given",
            Msg::Copies(Copies { rows, .. }) if !rows.is_empty() => "registers repaired",
            Msg::Behind(_) => "replicas told that they are behind",
            Msg::Belong(_) => "orders given",
            Msg::Views(coordinator::Msg::Report(Report::Members { gone })) if !gone.is_empty() => {
                "suspicions told"
            }
            Msg::Opened(_)
            | Msg::Read(_)
            | Msg::Vote(_)
            | Msg::Prepare(_)
            | Msg::Promise(_)
            | Msg::Accept(_)
            | Msg::Accepted(_)
            | Msg::Sweep(_)
            | Msg::Held(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Scan(_)
            | Msg::Scanned(_)
            | Msg::Views(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Compared(_)
            | Msg::Want(_)
            | Msg::Copies(_) => return,
        };
        figures.add(what, 1);
    }

    fn can_spare(&self, _: &RingScene<M>, _: &[Id]) -> bool {
        false
    }

    fn is_finished(&self, scene: &RingScene<M>) -> bool {
        let mut clients = self.actors.iter().zip(&scene.states);
        let is_done = clients.all(|(actor, state)| match (actor, state) {
            (RingActor::Script(script), RingState::Script(state)) => script.is_finished(state),
            _ => true,
        });
        // Asked for after every step; the rest of it costs something.
        is_done && is_settled(self, scene)
    }

    fn renewed(&self, _: Id) -> Option<ProofStore> {
        None
    }

    fn shown(&self) -> &'static [&'static str] {
        &[
            "attempts refused",
            "copies given",
            "members joined",
            "members removed",
            "operations unavailable",
            "operations unknown",
            "tombstones purged",
            "views decided",
        ]
    }

    fn unprompted(&self) -> Option<Micros> {
        Some(WATCH)
    }

    fn say(&self, scene: &RingScene<M>, is_calm: bool, dice: &mut Dice) -> Vec<Envelope<Msg>> {
        let any =
            |dice: &mut Dice, of: &Range<usize>| of.start + dice.below(of.len() as u64) as usize;
        if !is_calm && dice.chance(self.orders) {
            let (src, dst) = (Id::from(self.watchers.start), Id::from(any(dice, &self.nodes)));
            let wanted = dice.below(3) > 0;
            let is_up = !scene.down[usize::from(src)];
            let order = Envelope { src, dst, msg: Msg::Belong(Belong { wanted }) };
            return is_up.then_some(order).into_iter().collect();
        }
        let watcher = any(dice, &self.watchers);
        let mut gone: BTreeSet<Id> = self.nodes.clone().map(Id::from).collect();
        gone.retain(|id| scene.down[usize::from(*id)] && dice.below(4) > 0);
        if !is_calm && dice.chance(self.slander) {
            gone.insert(Id::from(any(dice, &self.nodes)));
        }
        if scene.down[watcher] {
            return Vec::new();
        }
        let report = |dst: usize| {
            let report = Report::Members { gone: gone.clone() };
            let msg = Msg::Views(coordinator::Msg::Report(report));
            Envelope { src: Id::from(watcher), dst: Id::from(dst), msg }
        };
        self.coordinators.clone().map(report).collect()
    }
}

/// Whether the newest view is stable, and its members and all gateways know it.
fn is_settled<M: Mechanisms>(this: &Simulated<M>, scene: &RingScene<M>) -> bool {
    let view = |id: usize| match &scene.states[id] {
        RingState::Node(node) => Some(&node.view),
        RingState::Gateway(gateway) => Some(&gateway.view),
        RingState::Coordinator(coordinator) => Some(&coordinator.decided),
        RingState::Stopped | RingState::Member(_) | RingState::Oracle(_) | RingState::Script(_) => {
            None
        }
    };
    let newest = this.coordinators.clone().filter_map(view).max_by_key(|view| view.epoch);
    newest.is_some_and(|newest| {
        let members = newest.new.members().into_iter().map(usize::from);
        newest.is_stable()
            && members.chain(this.gateways.clone()).all(|id| view(id) == Some(newest))
    })
}

/// How what is missing reads on a node, where it says so.
fn floors(store: &ProofStore) -> Option<Row> {
    store.get(&ring::Key::Floors)
}

fn note_view(before: &View, after: &View, figures: &mut Figures) {
    figures.add("views decided", 1);
    let (old, new) = (before.new.members(), after.new.members());
    figures.add("members joined", new.difference(&old).count() as u64);
    figures.add("members removed", old.difference(&new).count() as u64);
}
