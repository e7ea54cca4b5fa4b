//! What the actors of a node show of themselves, for `INFO`, `CHAINRING STATUS` and the front door.
//!
//! Actors are values that nobody looks into while they run. Observers see each state on the actor's own
//! thread, and pin what others may know to the board: numbers as atomics at every step, views and lists
//! under a lock only when they have changed.

use super::parts::{Part, Role};
use crate::driver::{Observer, Step};
use crate::system::{Place, System};
use crate::trace::Tracer;
use chainring_model::coordinator::View as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A card for each actor of a node, in the order of its parts.
pub(crate) struct Board<P: System> {
    cards: Vec<Arc<Card<P>>>,
}

/// What is known of one actor.
pub(crate) struct Card<P: System> {
    pub place: Place,
    /// What it shows.
    pub shows: P::Shows,
    /// The newest view that it knows; `None` until it has started.
    view: Mutex<Option<P::View>>,
}

impl<P: System> Board<P> {
    /// A board with an empty card for each part.
    pub fn of(parts: &[Part<P>]) -> Self {
        let card = |part: &Part<P>| {
            let (shows, view) = (P::Shows::default(), Mutex::new(None));
            Arc::new(Card { place: part.place, shows, view })
        };
        Board { cards: parts.iter().map(card).collect() }
    }

    /// All cards.
    pub fn cards(&self) -> &[Arc<Card<P>>] {
        &self.cards
    }

    /// The cards of the actors with this role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Arc<Card<P>>> {
        self.cards.iter().filter(move |card| card.place.role == role)
    }
}

impl<P: System> Card<P> {
    /// The newest view that the actor knows.
    pub fn view(&self) -> Option<P::View> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<P::View>> {
        // What is in here is replaced, never changed half.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at every step of one actor: keeps its card, and traces if asked to.
pub(crate) struct Watch<P: System> {
    card: Arc<Card<P>>,
    tracer: Option<Tracer>,
    /// The epoch of the view on the card.
    epoch: Option<u64>,
    notes: P::Notes,
}

impl<P: System> Watch<P> {
    pub fn new(card: Arc<Card<P>>, tracer: Option<Tracer>) -> Self {
        Watch { card, tracer, epoch: None, notes: P::Notes::default() }
    }

    fn pin_view(&mut self, view: &P::View) {
        let epoch = view.epoch();
        if self.epoch == Some(epoch) {
            return;
        }
        let first = self.epoch.replace(epoch).is_none();
        *self.card.lock() = Some(view.clone());
        let Place { id, role, chain, .. } = self.card.place;
        if !first && role != Role::Gateway {
            let view = P::words(view);
            tracing::info!(actor = ?id, ?role, chain, epoch, view, "a new view");
        }
    }
}

impl<P: System> Observer<P::Actor> for Watch<P> {
    fn step(&mut self, step: Step<'_, P::Actor>, trace: &mut Vec<u8>) {
        if let Some(view) = P::view(step.state) {
            self.pin_view(view);
        }
        P::look(&self.card, &mut self.notes, &step);
        if let Some(tracer) = &mut self.tracer {
            tracer.step::<P>(&step, trace);
        }
    }
}
