//! What is simulated: the actors, what is claimed of them, and the state that properties look at.

use super::dice::Dice;
use super::weather::Micros;
use crate::history::Recorder;
use serde::Serialize;
use stateright::Model;
use stateright::actor::{Actor, Envelope, Id};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// A system to simulate. As a [`Model`] it has properties and no actions: the simulation
/// finds the steps. Judged are its `always` properties.
pub trait Subject: Model<State = Scene<Self::Actor, Self::History>> + Sized {
    /// Its actors, none of which chooses anything at random.
    type Actor: Actor<Msg: Clone + Debug, Timer: Ord, Storage: Debug, Random = ()>;

    /// What is recorded of a run.
    type History: Recorder<<Self::Actor as Actor>::Msg>;

    /// The participants, by id.
    fn cast(&self) -> Vec<Role<Self::Actor>>;

    /// The history before anything has happened.
    fn history(&self) -> Self::History;

    /// How a message travels.
    fn link(&self, envelope: Envelope<&MsgOf<Self>>) -> Link;

    /// A client has thought, and may say something else now.
    fn reconsider(&self, scene: &SceneOf<Self>, msg: MsgOf<Self>) -> MsgOf<Self>;

    /// An actor has saved something else than `before`; what that is to the history, and to the
    /// figures.
    fn saved(
        &self,
        scene: &SceneOf<Self>,
        id: Id,
        before: &StorageOf<Self>,
        figures: &mut Figures,
    ) -> Option<Self::History>;

    /// Something is said, or heard, that the figures count.
    fn count(&self, scene: &SceneOf<Self>, envelope: Envelope<&MsgOf<Self>>, figures: &mut Figures);

    /// Whether a process may lose its disks for good, and all be well with the others.
    fn can_spare(&self, scene: &SceneOf<Self>, process: &[Id]) -> bool;

    /// Whether everything that was to be done is done.
    fn is_finished(&self, scene: &SceneOf<Self>) -> bool;

    /// What is left of the store of an actor whose disk is lost.
    fn renewed(&self, id: Id) -> Option<StorageOf<Self>>;

    /// What a table of figures shows, also where it never happened.
    fn shown(&self) -> &'static [&'static str];

    /// How often a participant says what no actor says of itself, if any does.
    fn unprompted(&self) -> Option<Micros> {
        None
    }

    /// What is then said, and its sender; where it has calmed down, the truth.
    fn say(&self, _: &SceneOf<Self>, _is_calm: bool, _: &mut Dice) -> Vec<Envelope<MsgOf<Self>>> {
        Vec::new()
    }
}

/// A message of a system.
pub type MsgOf<S> = <<S as Subject>::Actor as Actor>::Msg;

/// A store of a system.
pub type StorageOf<S> = <<S as Subject>::Actor as Actor>::Storage;

/// The state of a system.
pub type SceneOf<S> = Scene<<S as Subject>::Actor, <S as Subject>::History>;

/// A participant.
pub struct Role<A: Actor> {
    /// What traces call it.
    pub name: String,
    /// What it does.
    pub actor: A,
    /// The store that it begins with.
    pub store: Option<A::Storage>,
    /// In which process it runs. Those of one process stop, pause and are cut off together. One
    /// that is in none is a client: nothing happens to it.
    pub process: Option<usize>,
}

/// How a message travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Link {
    /// Inside a process: at once, in order, and surely.
    Inside,
    /// Like `Inside`, after a random think time. A newer message of the same sender and slot
    /// replaces a waiting one.
    Thinking(u32),
    /// Over the network, where anything may happen to it.
    Network,
}

/// The state of a simulated system.
pub struct Scene<A: Actor, H> {
    /// The time.
    pub now: Micros,
    /// What each actor believes.
    pub states: Vec<A::State>,
    /// What each actor has saved.
    pub stores: Vec<Option<A::Storage>>,
    /// Which actors are down.
    pub down: Vec<bool>,
    /// Whose disks are lost.
    pub lost: BTreeSet<Id>,
    /// The messages under way, by when they arrive and which was sent first.
    pub under_way: BTreeMap<(Micros, u64), Envelope<A::Msg>>,
    /// What was recorded.
    pub history: H,
    /// How many crashes there were.
    pub crashes: u64,
}

/// What happened, and how often.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Figures(BTreeMap<&'static str, u64>);

impl Figures {
    /// It happened.
    pub fn add(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    /// How often it happened.
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(what, times)| (*what, *times))
    }

    /// Together with that of another run.
    pub fn merge(&mut self, other: &Figures) {
        for (what, times) in other.iter() {
            self.add(what, times);
        }
    }
}
