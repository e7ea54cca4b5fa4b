//! What the actors of a node show of themselves, for `INFO`, `CHAINRING STATUS` and the front door.
//!
//! Actors are values that nothing looks into while they run. An observer sees each state on the
//! actor's own thread, and keeps on the board what others may know: a status that is replaced at
//! every step, and the view when it has changed.

mod chain;
mod hearing;
mod ring;

use crate::config::Cluster;
use crate::protocol::{ActorConfig, Protocol, Role};
use crate::trace::Trace;
pub(crate) use ring::Repairs;

use chainring_model::coordinator::View as _;
use chainring_runtime::driver::{Observer, Step};
use chainring_runtime::trace::Tracer;
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// All nodes that this one knows of; grows while it runs.
pub(crate) type Roster = Arc<RwLock<Cluster>>;

/// What an observer of a protocol's actors keeps and logs.
pub(crate) trait Observe: Protocol {
    /// What is shown of an actor, beside its view.
    type Status: Clone + Default + Send + 'static;

    /// What an observer of an actor remembers from one step to the next.
    type Notes: Default + Send + 'static;

    /// A view as the log says it, which names nodes.
    fn words(view: &Self::View, nodes: &dyn Fn(&[Id]) -> String) -> String;

    /// Looks at a step: keeps the actor's status, and logs what is to be logged.
    fn look(actor: &ActorStatus<Self>, notes: &mut Self::Notes, step: &Step<'_, Self::Actor>);
}

/// The status of each actor of a node, in the order of its actors.
pub(crate) struct Board<P: Observe> {
    actors: Vec<Arc<ActorStatus<P>>>,
}

/// What is known of one actor.
pub(crate) struct ActorStatus<P: Observe> {
    pub config: ActorConfig,
    status: Mutex<P::Status>,
    /// The newest view that it knows; `None` until it has started.
    view: Mutex<Option<P::View>>,
    /// Whose actors are whose.
    roster: Roster,
    /// Of each chain, the newest view that any actor of this node has logged: one line a node is
    /// enough.
    told: Arc<Mutex<BTreeMap<u32, u64>>>,
}

impl<P: Observe> Board<P> {
    /// A board with an empty status for each actor.
    pub fn of(actors: &[(ActorConfig, P::Actor)], roster: &Roster) -> Self {
        let told = Arc::default();
        let actor = |(config, _): &(ActorConfig, P::Actor)| {
            Arc::new(ActorStatus {
                config: *config,
                status: Mutex::default(),
                view: Mutex::new(None),
                roster: Arc::clone(roster),
                told: Arc::clone(&told),
            })
        };
        Board { actors: actors.iter().map(actor).collect() }
    }

    /// All actors.
    pub fn actors(&self) -> &[Arc<ActorStatus<P>>] {
        &self.actors
    }

    /// The actors with this role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Arc<ActorStatus<P>>> {
        self.actors.iter().filter(move |actor| actor.config.role == role)
    }
}

impl<P: Observe> ActorStatus<P> {
    /// What it shows, as of now. A copy: nothing that reads it holds the actor up.
    pub fn status(&self) -> P::Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what it shows.
    fn update(&self, change: impl FnOnce(&mut P::Status)) {
        // A change that panics ends the actor, and what it shows is no promise.
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The newest view that it knows.
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

    /// Whether no actor of this node has logged this view of a chain yet, or a newer one; from now
    /// on one has.
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

/// Looks at every step of one actor: keeps its status, and traces if asked to.
pub(crate) struct Watch<P: Observe> {
    actor: Arc<ActorStatus<P>>,
    tracer: Option<Tracer>,
    /// The epoch of the view on the board.
    epoch: Option<u64>,
    notes: P::Notes,
}

impl<P: Observe> Watch<P> {
    pub fn new(actor: Arc<ActorStatus<P>>, tracer: Option<Tracer>) -> Self {
        Watch { actor, tracer, epoch: None, notes: P::Notes::default() }
    }

    fn keep_view(&mut self, view: &P::View) {
        let epoch = view.epoch();
        if self.epoch == Some(epoch) {
            return;
        }
        self.epoch = Some(epoch);
        let before = self.actor.lock().replace(view.clone());
        let ActorConfig { role, chain, .. } = self.actor.config;
        let Some(before) = before.filter(|_| role != Role::Gateway) else {
            return;
        };
        if self.actor.is_news(chain, epoch) {
            let what = self.what_changes(&before, view);
            let view = P::words(view, &|ids| self.actor.names(ids.iter().copied()));
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
            let names = self.actor.names(ids.iter().copied());
            changes.extend((!ids.is_empty()).then(|| format!("{names} {verb}")));
        }
        if changes.is_empty() { "the same nodes".to_string() } else { changes.join("; ") }
    }
}

impl<P: Observe> Observer<P::Actor> for Watch<P> {
    fn step(&mut self, step: Step<'_, P::Actor>, trace: &mut Vec<u8>) {
        if let Some(view) = P::view(step.state) {
            self.keep_view(view);
        }
        P::look(&self.actor, &mut self.notes, &step);
        if let Some(tracer) = &mut self.tracer {
            tracer.step::<Trace<P>>(&step, trace);
        }
    }
}
