//! What properties look at: a system of ring actors.

use crate::checker::intern::Interned;
use crate::checker::model::Checked;
use crate::checker::state::{self, CheckedState};
use crate::history::History;
use chainring_model::coordinator;
use chainring_model::kv::{Key as ClientKey, OpId};
use chainring_model::ring::{
    Floors, Key, Msg, Pending, Register, RingActor, RingState, Row, Timer, View,
};
use chainring_model::store::{MapStore, Store};
use chainring_model::{Intact, Mechanisms};
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// The epoch that models begin in.
pub const EPOCH: u64 = 1;

/// How many operations registers remember where that is not what a model is about: all of them.
pub const PLENTY: usize = 8;

/// The store of proofs.
pub type ProofStore = MapStore<Key, Row>;

/// A ring actor as it is checked.
pub type ProofActor<M = Intact> = RingActor<ProofStore, M>;

/// A system of ring actors.
pub type System<M = Intact> = state::System<ProofActor<M>, History>;

/// A model of a ring.
pub type RingModel<M = Intact> = Checked<ProofActor<M>, History>;

/// A state of it.
pub type State<M = Intact> = CheckedState<ProofActor<M>, History>;

/// An action of it.
pub type Action = ActorModelAction<Interned<Msg>, Timer, ()>;

/// A system of ring actors, as properties look at it, whichever model interprets them.
pub trait Sight {
    /// What clients saw, and what happened to views.
    fn history(&self) -> &History;

    /// What each actor believes, by id.
    fn states(&self) -> impl Iterator<Item = &RingState<ProofStore>>;

    /// What each actor has saved, by id.
    fn stores(&self) -> impl Iterator<Item = Option<&ProofStore>>;

    /// The messages that are under way.
    fn messages(&self) -> impl Iterator<Item = Envelope<&Msg>>;

    /// What all nodes hold, by id.
    fn nodes(&self) -> Vec<Rc<Held>>;
}

impl<M: Mechanisms> Sight for System<M> {
    fn history(&self) -> &History {
        &self.history
    }

    fn states(&self) -> impl Iterator<Item = &RingState<ProofStore>> {
        self.actor_states.iter().map(|state| &**state)
    }

    fn stores(&self) -> impl Iterator<Item = Option<&ProofStore>> {
        self.actor_storages.iter().map(|store| store.as_deref())
    }

    fn messages(&self) -> impl Iterator<Item = Envelope<&Msg>> {
        self.network.iter_deliverable()
    }

    fn nodes(&self) -> Vec<Rc<Held>> {
        nodes(self)
    }
}

/// What a node holds durably, whether it is up or down.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Which actor it is.
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
    pub fn of(id: Id, store: &ProofStore) -> Option<Held> {
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

/// All nodes, by id. Remembered by store: few different ones occur in a run.
pub fn nodes<M: Mechanisms>(system: &System<M>) -> Vec<Rc<Held>> {
    /// Nodes that a thread remembers at the most.
    const REMEMBERED: usize = 1 << 16;
    type Known = HashMap<(Id, Interned<ProofStore>), Option<Rc<Held>>>;
    thread_local! {
        static KNOWN: RefCell<Known> = RefCell::default();
    }
    KNOWN.with_borrow_mut(|known| {
        if known.len() > REMEMBERED {
            known.clear();
        }
        let stores = system.actor_storages.iter().enumerate();
        let nodes = stores.filter_map(|(id, store)| {
            let (id, store) = (Id::from(id), (*store)?);
            let node = known.entry((id, store));
            node.or_insert_with(|| Held::of(id, &store).map(Rc::new)).clone()
        });
        nodes.collect()
    })
}

/// The view that a node or a gateway has saved.
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

/// Whether every script has done what it had to do.
pub fn finished<M: Mechanisms>(model: &RingModel<M>, state: &State<M>) -> bool {
    let states = &state.system.actor_states;
    model.actors().iter().zip(states).all(|(actor, state)| match (actor, &**state) {
        (RingActor::Script(script), RingState::Script(state)) => script.is_finished(state),
        _ => true,
    })
}

/// The messages that are under way.
pub fn messages<M: Mechanisms>(system: &System<M>) -> impl Iterator<Item = Envelope<&Msg>> {
    system.network.iter_deliverable()
}

/// Every operation that is under way, with its identity.
pub fn pending<M: Mechanisms>(system: &System<M>) -> impl Iterator<Item = (OpId, &Pending)> {
    let gateways =
        system.actor_states.iter().enumerate().filter_map(|(id, state)| match &**state {
            RingState::Gateway(gateway) => Some((Id::from(id), gateway)),
            RingState::Stopped
            | RingState::Node(_)
            | RingState::Coordinator(_)
            | RingState::Member(_)
            | RingState::Oracle(_)
            | RingState::Script(_) => None,
        });
    gateways.flat_map(|(gateway, state)| {
        state.lanes.iter().filter_map(move |(lane, known)| {
            let id = OpId { gateway, incarnation: state.incarnation, lane: *lane, seq: known.seq };
            known.pending.as_ref().map(|pending| (id, pending))
        })
    })
}
