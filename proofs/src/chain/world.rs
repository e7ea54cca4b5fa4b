//! What invariants look at: a system of chain actors, whichever model interprets it.

use crate::checker::model::Checked;
use crate::checker::state as system;
use crate::checker::state::CheckedState;
use crate::history::History;
use chainring_model::chain::{ChainActor, ChainState, Entry, Key, Msg, Place, Row, Transfer, View};
use chainring_model::coordinator;
use chainring_model::kv::{self, OpId, Outcome, Value};
use chainring_model::store::{MapStore, Store};
use chainring_model::{Intact, Mechanisms};
use stateright::Model;
use stateright::actor::{Envelope, Id};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// The epoch of the view that every model begins with.
pub const FIRST_EPOCH: u64 = 2;

/// The store of proofs.
pub type ProofStore = MapStore<Key, Row>;

/// A chain actor as it is checked.
pub type ProofActor<M = Intact> = ChainActor<ProofStore, M>;

/// A system of chain actors.
pub type System<M = Intact> = system::System<ProofActor<M>, History>;

/// A model of a chain.
pub type ChainModel<M = Intact> = Checked<ProofActor<M>, History>;

/// A model that has a system of chain actors for a state. Invariants are functions over this, so
/// that one text serves every interpreter of the actors.
pub trait World: Model {
    /// Which mechanisms the actors have.
    type Mechanisms: Mechanisms;

    /// What properties look at.
    type System: Sight;

    /// The system in a state.
    fn system(state: &Self::State) -> &Self::System;

    /// The actors, by id.
    fn actors(&self) -> &[ProofActor<Self::Mechanisms>];

    /// How many crashes there were.
    fn crashes(state: &Self::State) -> u8;

    /// Whether the actor is between two of its commands, so that its store is ahead of the saved
    /// one.
    fn is_mid_step(state: &Self::State, id: Id) -> bool;
}

/// A system of chain actors, as properties look at it.
pub trait Sight {
    /// What clients saw, and what happened to views.
    fn history(&self) -> &History;

    /// What each actor believes, by id.
    fn states(&self) -> impl Iterator<Item = &ChainState<ProofStore>>;

    /// What each actor has saved, by id.
    fn stores(&self) -> impl Iterator<Item = Option<&ProofStore>>;

    /// The messages that are under way.
    fn messages(&self) -> impl Iterator<Item = Envelope<&Msg>>;

    /// Whether any actor is down.
    fn is_anyone_down(&self) -> bool;
}

impl<M: Mechanisms> Sight for System<M> {
    fn history(&self) -> &History {
        &self.history
    }

    fn states(&self) -> impl Iterator<Item = &ChainState<ProofStore>> {
        self.actor_states.iter().map(|state| &**state)
    }

    fn stores(&self) -> impl Iterator<Item = Option<&ProofStore>> {
        self.actor_storages.iter().map(|store| store.as_deref())
    }

    fn messages(&self) -> impl Iterator<Item = Envelope<&Msg>> {
        self.network.iter_deliverable()
    }

    fn is_anyone_down(&self) -> bool {
        self.crashed.contains(&true)
    }
}

impl<M: Mechanisms> World for ChainModel<M> {
    type Mechanisms = M;
    type System = System<M>;

    fn system(state: &CheckedState<ProofActor<M>, History>) -> &System<M> {
        &state.system
    }

    fn actors(&self) -> &[ProofActor<M>] {
        Checked::actors(self)
    }

    fn crashes(state: &Self::State) -> u8 {
        state.crashes
    }

    fn is_mid_step(state: &Self::State, id: Id) -> bool {
        state.is_mid_step(id)
    }
}

/// What a replica holds durably, whether it is up or down.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Which actor it is.
    pub id: Id,
    /// The newest view that it installed.
    pub view: View,
    /// Up to where its log is applied.
    pub committed: u64,
    /// How many client keys it says it holds.
    pub keys: u64,
    /// Its log, above what is committed.
    pub log: BTreeMap<u64, Entry>,
    /// Of what is committed, what it retains for a learner or for a member that returns: whose
    /// operations these are.
    pub retained: BTreeMap<u64, OpId>,
    /// How far it is in an extension of its chain.
    pub transfer: Option<Transfer>,
    /// The keys that it knows to be deleted, ahead of a scan.
    pub tombstones: BTreeMap<kv::Key, u64>,
    /// Its data.
    pub data: BTreeMap<kv::Key, (u64, Value)>,
    /// Its operation table.
    pub lanes: BTreeMap<(Id, u32), (u32, u64, Outcome)>,
}

impl Member {
    /// What a replica's saved store holds; `None` for other actors' stores.
    pub fn of(id: Id, store: &ProofStore) -> Option<Member> {
        let (Some(Row::View(view)), Some(_)) = (store.get(&Key::View), store.get(&Key::Committed))
        else {
            return None;
        };
        let mut member = Member {
            id,
            view,
            committed: 0,
            keys: 0,
            log: BTreeMap::new(),
            retained: BTreeMap::new(),
            transfer: None,
            tombstones: BTreeMap::new(),
            data: BTreeMap::new(),
            lanes: BTreeMap::new(),
        };
        for (key, row) in store.iter() {
            match (key, row) {
                (Key::Committed, Row::Committed { index, keys }) => {
                    (member.committed, member.keys) = (*index, *keys);
                }
                (Key::Log(index), row) => {
                    if let Some(id) = row.operation() {
                        member.retained.insert(*index, id);
                    }
                    if let Row::Entry(entry) = row {
                        member.log.insert(*index, entry.clone());
                    }
                }
                (Key::Data(key), Row::Data { index, value }) => {
                    member.data.insert(key.clone(), (*index, value.clone()));
                }
                (Key::Lane(gateway, lane), Row::Lane { incarnation, seq, outcome }) => {
                    let newest = (*incarnation, *seq, outcome.clone());
                    member.lanes.insert((*gateway, *lane), newest);
                }
                (Key::Transfer, Row::Transfer(transfer)) => {
                    member.transfer = Some(transfer.clone());
                }
                (Key::Tombstone(key), Row::Tombstone { index }) => {
                    member.tombstones.insert(key.clone(), *index);
                }
                _ => {}
            }
        }
        member.log = member.log.split_off(&(member.committed + 1));
        member.retained.split_off(&(member.committed + 1));
        if matches!(member.transfer, Some(Transfer::Learning { place: Place::Emptying, .. })) {
            member.log.clear(); // it is about to be removed
        }
        Some(member)
    }

    /// The index of the newest entry that it has received.
    pub fn last(&self) -> u64 {
        self.log.last_key_value().map_or(self.committed, |(index, _)| *index)
    }

    /// Whether the operation, or a later one of its lane, is in the operation table.
    pub fn has_applied(&self, id: &OpId) -> bool {
        let newest = self.lanes.get(&(id.gateway, id.lane));
        newest.is_some_and(|(incarnation, seq, _)| (*incarnation, *seq) >= (id.incarnation, id.seq))
    }

    /// Whether the operation is the newest of its lane in the operation table.
    pub fn is_newest(&self, id: &OpId) -> bool {
        let newest = self.lanes.get(&(id.gateway, id.lane));
        newest.is_some_and(|(incarnation, seq, _)| (*incarnation, *seq) == (id.incarnation, id.seq))
    }

    /// Whether this is a tail that has handed over to its learner.
    pub fn has_handed_over(&self) -> bool {
        self.transfer == Some(Transfer::HandedOver)
    }

    /// If this is its view's learner: the epoch that named it, and how far its scan is.
    pub fn learns(&self) -> Option<(u64, &Place)> {
        match &self.transfer {
            Some(Transfer::Learning { since, place })
                if self.view.learner == Some((self.id, *since)) =>
            {
                Some((*since, place))
            }
            _ => None,
        }
    }

    /// Whether the operation is in the log.
    pub fn has_logged(&self, id: &OpId) -> bool {
        self.log.values().any(|entry| entry.id == *id)
    }
}

/// All replicas, by id.
pub fn members(system: &impl Sight) -> Rc<[Rc<Member>]> {
    saved(system).members.clone()
}

/// The newest view that is decided, as far as any replica or coordinator knows.
pub fn newest(system: &impl Sight) -> Option<View> {
    saved(system).newest.clone()
}

/// The members of the newest decided view, from head to tail, in whatever view each of them is.
pub fn chain(system: &impl Sight) -> Rc<[Rc<Member>]> {
    saved(system).chain.clone()
}

/// The views that are installed by replicas and gateways, or decided as far as coordinators know.
pub fn views(system: &impl Sight) -> Rc<[View]> {
    saved(system).views.clone()
}

/// What can be read from the stores of a system.
struct Saved {
    views: Rc<[View]>,
    members: Rc<[Rc<Member>]>,
    newest: Option<View>,
    chain: Rc<[Rc<Member>]>,
}

/// Remembers each replica by the digest of its store, for few different ones occur in a run; and
/// all of the newest system, for one property asks after the other.
fn saved(system: &impl Sight) -> Rc<Saved> {
    /// Members that a thread remembers at the most.
    const REMEMBERED: usize = 1 << 16;
    type Digests = Vec<Option<u64>>;
    type Known = HashMap<(Id, u64), Option<Rc<Member>>>;
    thread_local! {
        static NEWEST: RefCell<Option<(Digests, Rc<Saved>)>> = RefCell::default();
        static KNOWN: RefCell<Known> = RefCell::default();
    }
    let digests = || system.stores().map(|store| store.map(MapStore::digest));
    let newest = NEWEST.with_borrow(|newest| {
        let (of, saved) = newest.as_ref()?;
        digests().eq(of.iter().copied()).then(|| Rc::clone(saved))
    });
    newest.unwrap_or_else(|| {
        let members = KNOWN.with_borrow_mut(|known| {
            if known.len() > REMEMBERED {
                known.clear();
            }
            let members = system.stores().enumerate().filter_map(|(id, store)| {
                let (id, store) = (Id::from(id), store?);
                let member = known.entry((id, store.digest()));
                member.or_insert_with(|| Member::of(id, store).map(Rc::new)).clone()
            });
            members.collect()
        });
        let saved = Rc::new(Saved::of(system.stores().flatten(), members));
        NEWEST.set(Some((digests().collect(), Rc::clone(&saved))));
        saved
    })
}

impl Saved {
    fn of<'a>(stores: impl Iterator<Item = &'a ProofStore>, members: Rc<[Rc<Member>]>) -> Self {
        let views = stores.filter_map(|store| installed(store).or_else(|| decided(store)));
        let views: Rc<[View]> = views.collect();
        let newest = views.iter().max_by_key(|view| view.epoch).cloned();
        let place =
            |member: &Rc<Member>| newest.as_ref()?.chain.iter().position(|id| *id == member.id);
        let mut chain: Vec<_> = members.iter().filter(|it| place(it).is_some()).cloned().collect();
        chain.sort_by_key(place);
        Saved { views, chain: chain.into(), members, newest }
    }
}

/// The view that a replica or gateway has saved.
pub fn installed(store: &ProofStore) -> Option<View> {
    match store.get(&Key::View) {
        Some(Row::View(view)) => Some(view),
        _ => None,
    }
}

/// The newest view that a coordinator knows to be decided.
pub fn decided(store: &ProofStore) -> Option<View> {
    match store.get(&Key::Views(coordinator::Key::Decided)) {
        Some(Row::Views(coordinator::Row::Decided(view))) => Some(view),
        _ => None,
    }
}

/// The tails that teach, each with its learner, in whatever view the two are.
pub fn teachings(system: &impl Sight) -> Vec<(Rc<Member>, Rc<Member>)> {
    let members = members(system);
    let teaches = |tail: &Member, learner: &Member| {
        let since = tail.view.learner.filter(|_| tail.view.tail() == Some(tail.id));
        since.is_some_and(|(id, since)| {
            id == learner.id && learner.learns().is_some_and(|(this, _)| this == since)
        })
    };
    let pairs = members.iter().flat_map(|tail| members.iter().map(move |other| (tail, other)));
    let pairs = pairs.filter(|(tail, learner)| teaches(tail, learner));
    pairs.map(|(tail, learner)| (Rc::clone(tail), Rc::clone(learner))).collect()
}

/// Whether every script has done what it had to do.
pub fn finished<W: World>(world: &W, state: &W::State) -> bool {
    let states = W::system(state).states();
    world.actors().iter().zip(states).all(|(actor, state)| match (actor, state) {
        (ChainActor::Script(script), ChainState::Script(state)) => script.is_finished(state),
        _ => true,
    })
}

/// The messages that are under way.
pub fn messages(system: &impl Sight) -> impl Iterator<Item = Envelope<&Msg>> {
    system.messages()
}
