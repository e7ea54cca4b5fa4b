//! What the actors of a node show of themselves, for `INFO`, `CHAINRING STATUS` and the front door.
//!
//! Actors are values that nobody looks into while they run. Observers see each state on the actor's own
//! thread, and pin what others may know to the board: numbers as atomics at every step, views and lists
//! under a lock only when they have changed.

mod about;
mod hearing;
mod links;

use crate::protocol::{Part, Place, Role, System};
use crate::trace::Tracer;
use chainring_model::coordinator::View as _;
use chainring_runtime::driver::{Observer, Step};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use about::{About, Roster, yes_or_no};
pub(crate) use hearing::Hearing;
pub(crate) use links::{Notes, greeting};

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
    /// Whose actors are whose.
    roster: Roster,
    /// Of each chain, the newest view that any actor of this node has logged: one line a node is enough.
    told: Arc<Mutex<BTreeMap<u32, u64>>>,
}

impl<P: System> Board<P> {
    /// A board with an empty card for each part.
    pub fn of(parts: &[Part<P>], roster: &Roster) -> Self {
        let told = Arc::default();
        let card = |part: &Part<P>| {
            let (shows, view) = (P::Shows::default(), Mutex::new(None));
            let (roster, told) = (Arc::clone(roster), Arc::clone(&told));
            Arc::new(Card { place: part.place, shows, view, roster, told })
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

    /// The number of the node where an actor lives.
    pub fn node_of(&self, actor: Id) -> Option<u32> {
        let roster = self.roster.read().unwrap_or_else(PoisonError::into_inner);
        let node = roster.nodes.iter().find(|node| node.actors().any(|id| id == actor));
        node.map(|node| node.id)
    }

    /// What people call the nodes of these actors.
    pub fn names(&self, actors: impl IntoIterator<Item = Id>) -> String {
        let name = |actor: Id| match self.node_of(actor) {
            Some(node) => node.to_string(),
            None => format!("? (actor {})", usize::from(actor)),
        };
        let names: Vec<_> = actors.into_iter().map(name).collect();
        match &names[..] {
            [] => "no node".to_string(),
            [one] => format!("node {one}"),
            several => format!("nodes {}", several.join(", ")),
        }
    }

    /// Whether nobody in this node has logged this view of a chain yet, or a newer one; from now on somebody has.
    fn is_news(&self, chain: u32, epoch: u64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = told.entry(chain).or_default();
        let is_news = epoch > *newest;
        *newest = epoch.max(*newest);
        is_news
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
        self.epoch = Some(epoch);
        let before = self.card.lock().replace(view.clone());
        let Place { role, chain, .. } = self.card.place;
        let Some(before) = before.filter(|_| role != Role::Gateway) else {
            return;
        };
        if self.card.is_news(chain, epoch) {
            let what = self.what_changes(&before, view);
            let view = P::words(view, &|ids| self.card.names(ids.iter().copied()));
            tracing::info!(chain, epoch, view, "a new view: {what}");
        }
    }

    /// In what a view differs from the one before, in words.
    fn what_changes(&self, before: &P::View, now: &P::View) -> String {
        let members = |view: &P::View| view.members().into_iter().collect::<BTreeSet<Id>>();
        let (old, new) = (members(before), members(now));
        let mut changes = Vec::new();
        for (ids, is, are) in [
            (old.difference(&new), "is left out", "are left out"),
            (new.difference(&old), "comes in", "come in"),
        ] {
            let ids: Vec<_> = ids.copied().collect();
            let verb = if ids.len() == 1 { is } else { are };
            let names = self.card.names(ids.iter().copied());
            changes.extend((!ids.is_empty()).then(|| format!("{names} {verb}")));
        }
        if changes.is_empty() { "the same nodes".to_string() } else { changes.join("; ") }
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
