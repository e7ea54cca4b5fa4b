//! What the actors of a node show of themselves, for `INFO`, `CHAINRING STATUS` and the front door.
//!
//! Actors are values that nobody looks into while they run. Observers see each state on the actor's own
//! thread, and pin what others may know to the board: numbers as atomics at every step, views and lists
//! under a lock only when they have changed.

use super::NodeActor;
use super::parts::{Part, Role};
use crate::driver::{Observer, Step};
use crate::status::Learning;
use crate::trace::Tracer;
use chainring_model::chain::{ChainState, Place, Report, Transfer, View};
use stateright::actor::Id;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A card for each actor of a node, in the order of its parts.
pub(crate) struct Board {
    cards: Vec<Arc<Card>>,
}

/// What is known of one actor.
pub(crate) struct Card {
    pub id: Id,
    pub role: Role,
    /// Of which chain.
    pub chain: u32,
    /// Of a replica: everything up to here is applied.
    pub committed: AtomicU64,
    /// Of a replica: everything up to here is received.
    pub received: AtomicU64,
    /// Of a replica: how many keys it holds.
    pub keys: AtomicU64,
    /// Of a replica: whether it may answer reads.
    pub lease: AtomicBool,
    rest: Mutex<Rest>,
}

/// What changes seldom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    /// The newest view that the actor knows; `None` until it has started.
    pub view: Option<View>,
    /// Of a replica: what it is doing while it is a learner.
    pub learning: Option<Learning>,
    /// Of a coordinator: whom it has not heard from for too long.
    pub suspects: Vec<Id>,
    /// Of a coordinator: who has asked to join.
    pub joining: Vec<Id>,
    /// Of a coordinator: whether it takes part in a decision that has not been made.
    pub deciding: bool,
}

impl Board {
    /// A board with an empty card for each part.
    pub fn of(parts: &[Part]) -> Self {
        let card = |part: &Part| {
            Arc::new(Card {
                id: part.id,
                role: part.role,
                chain: part.chain,
                committed: AtomicU64::new(0),
                received: AtomicU64::new(0),
                keys: AtomicU64::new(0),
                lease: AtomicBool::new(false),
                rest: Mutex::default(),
            })
        };
        Board { cards: parts.iter().map(card).collect() }
    }

    /// All cards.
    pub fn cards(&self) -> &[Arc<Card>] {
        &self.cards
    }

    /// The cards of the actors with this role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Arc<Card>> {
        self.cards.iter().filter(move |card| card.role == role)
    }
}

impl Card {
    /// A copy of what changes seldom.
    pub fn rest(&self) -> Rest {
        self.lock().clone()
    }

    /// The newest view that the actor knows.
    pub fn view(&self) -> Option<View> {
        self.lock().view.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Rest> {
        // What is in here is replaced, never changed half.
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at every step of one actor: keeps its card, and traces if asked to.
pub(crate) struct Watch {
    card: Arc<Card>,
    tracer: Option<Tracer>,
    /// The epoch of the view on the card.
    epoch: Option<u64>,
    /// What is on the card about learning.
    learning: Option<Learning>,
}

impl Watch {
    pub fn new(card: Arc<Card>, tracer: Option<Tracer>) -> Self {
        Watch { card, tracer, epoch: None, learning: None }
    }

    fn pin_view(&mut self, view: &View) {
        if self.epoch == Some(view.epoch) {
            return;
        }
        let first = self.epoch.replace(view.epoch).is_none();
        self.card.lock().view = Some(view.clone());
        if !first && self.card.role != Role::Gateway {
            let Card { id, role, chain, .. } = &*self.card;
            let View { epoch, chain: members, learner, .. } = view;
            tracing::info!(actor = ?id, ?role, chain, epoch, ?members, ?learner, "a new view");
        }
    }
}

impl Observer<NodeActor> for Watch {
    fn step(&mut self, step: Step<'_, NodeActor>, trace: &mut Vec<u8>) {
        match step.state {
            ChainState::Replica(replica) => {
                self.pin_view(&replica.view);
                let Card { committed, received, keys, lease, .. } = &*self.card;
                committed.store(replica.committed, Ordering::Relaxed);
                received.store(replica.last(), Ordering::Relaxed);
                keys.store(replica.keys, Ordering::Relaxed);
                lease.store(replica.lease.is_live(), Ordering::Relaxed);
                let learning = learning(replica.transfer.as_ref());
                if self.learning != learning {
                    self.learning = learning;
                    self.card.lock().learning = learning;
                }
            }
            ChainState::Gateway(gateway) => self.pin_view(&gateway.view),
            ChainState::Coordinator(coordinator) => {
                self.pin_view(&coordinator.decided);
                let deciding = coordinator.accepted.is_some() || coordinator.proposal.is_some();
                let joining = coordinator.reports.iter();
                let joining = joining.filter(|(_, report)| **report == Report::Join);
                let mut rest = self.card.lock();
                rest.deciding = deciding;
                rest.suspects.clear();
                rest.suspects.extend(&coordinator.suspects);
                rest.joining.clear();
                rest.joining.extend(joining.map(|(id, _)| *id));
            }
            ChainState::Script(_) | ChainState::Stopped => {}
        }
        if let Some(tracer) = &mut self.tracer {
            tracer.step(step, trace);
        }
    }
}

fn learning(transfer: Option<&Transfer>) -> Option<Learning> {
    match transfer {
        Some(Transfer::Learning { place, .. }) => Some(match place {
            Place::Emptying => Learning::Emptying,
            Place::After(_) => Learning::Copying,
            Place::Done => Learning::CatchingUp,
        }),
        Some(Transfer::HandedOver) | None => None,
    }
}
