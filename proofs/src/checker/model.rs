//! A thin model around stateright's [`ActorModel`](stateright::actor::ActorModel) that makes state
//! spaces small and crashes honest.
//!
//! What it changes of what happens:
//!
//! - **A crashed actor has no volatile state.** stateright keeps the state of before the crash
//!   until the recovery; here it becomes what the actor would be without its store.
//! - **Stores are initialised, and crashes are counted.** The initial state is that of actors which
//!   start from initialised stores. At most so many crashes happen in all, to those that may crash.
//!   Actors of one *process*, where a model names any, crash and recover in one step.
//! - **Of two timers, the one that was armed earlier for less time ends first**, where a model says
//!   which timers are measured: see [`clock`](crate::checker::clock).
//! - **Some timers fire so often and no more**, where a model says so (its *scope*), and
//!   **impossible states are left out**, where a model names an assumption about the world. These
//!   are its bounds.
//! - **Steps may have crash points**: see [`crash_points`](crate::checker::crash_points).
//!
//! What it leaves out because no claim can tell the difference, and why, is a table in
//! [`reduce`](crate::checker::reduce).

use super::checked::{ActionIn, ActionOf};
use super::intern::Interned;
use super::state::{CheckedState, Internable, System, opened};
use super::stateright::{Projection, to_stateright, with_caption};
use super::step::Touched;
use crate::history::Recorder;
use chainring_model::prune::Prune;
use stateright::actor::{ActorModelAction, Envelope, Id, LossyNetwork};
use stateright::{Model, Path, Property};
use std::collections::{BTreeMap, BTreeSet};

pub use super::checked::{Action, Checked, Pruning};

impl<A, H> Model for Checked<A, H>
where
    A: Prune + Internable,
    H: Recorder<A::Msg>,
{
    type State = CheckedState<A, H>;
    type Action = ActionIn<A>;

    fn init_states(&self) -> Vec<Self::State> {
        let ids = || (0..self.inner.actors.len()).map(Id::from);
        let down = ids().map(|id| Interned::new(self.down(id))).collect();
        let history = self.inner.init_history.clone();
        let mut system = System::new(down, self.stores.clone(), history);
        let undone = BTreeMap::new();
        let (retired, spent) = (BTreeSet::new(), BTreeSet::new());
        for Envelope { src, dst, msg } in self.in_flight.iter().cloned() {
            system.network.insert(Envelope { src, dst, msg: Interned::new(msg) });
        }
        if let Some(order) = self.order {
            let mut state = CheckedState { system, crashes: 0, retired, spent, undone };
            self.start_whole(&mut state, order);
            return vec![state];
        }
        // Coordinators, which come last, start first: so none of their timers waits for one of a
        // member's that nothing has been granted for, which allows more than the other order.
        for id in ids().rev() {
            self.start_up(&mut system, id, &mut Touched(0));
        }
        let mut state = CheckedState { system, crashes: 0, retired, spent, undone };
        self.tidy(&mut state, Touched(u64::MAX));
        vec![state]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>) {
        if self.order.is_some() {
            return self.actions_between_commands(state, actions);
        }
        let system = &state.system;
        let count = self.inner.actors.len();
        let ids = || (0..count).map(Id::from);
        let mut step = |action: ActionOf<A>| {
            if self.is_taken(system, &action) {
                actions.push(Action::Step(action));
            }
        };
        let far = || system.network.iter().filter(|envelope| !(self.local)(opened(envelope)));
        if self.inner.lossy_network == LossyNetwork::Yes {
            far().for_each(|envelope| step(ActorModelAction::Drop(*envelope)));
        }
        for Envelope { src, dst, msg } in far().filter(|it| usize::from(it.dst) < count) {
            step(ActorModelAction::Deliver { src: *src, dst: *dst, msg: *msg });
        }
        for (id, timers) in ids().zip(&system.timers_set) {
            for timer in timers.iter().filter(|timer| system.clock.may_fire(id, timer)) {
                step(ActorModelAction::Timeout(id, timer.clone()));
            }
        }
        if state.crashes < self.crashes && !system.crashed.contains(&true) {
            let mortal = ids().filter(|id| self.mortal.contains(id));
            mortal.for_each(|id| step(ActorModelAction::Crash(id)));
        }
        let is_first = |id: &Id| self.process(*id).first() == Some(id);
        let crashed = ids().filter(|id| system.crashed[usize::from(*id)] && is_first(id));
        crashed.for_each(|id| step(ActorModelAction::Recover(id)));
    }

    fn next_state(&self, last: &Self::State, action: Self::Action) -> Option<Self::State> {
        let possible = |next: &CheckedState<A, H>| {
            self.assumption.as_ref().is_none_or(|assumption| assumption(&next.system))
        };
        if let Some(order) = self.order {
            return self.next_between_commands(last, &action, order).filter(possible);
        }
        let Action::Step(action) = action else { return None };
        let (system, touched) = self.step(&last.system, &action)?;
        let crashed = matches!(action, ActorModelAction::Crash(_));
        let crashes = last.crashes + u8::from(crashed);
        let (retired, spent) = (last.retired.clone(), last.spent.clone());
        let mut next = CheckedState { system, crashes, retired, spent, undone: BTreeMap::new() };
        if let ActorModelAction::Crash(id) = action {
            for id in self.process(id) {
                self.lose_disk(&mut next.system, id);
            }
        }
        self.tidy(&mut next, touched);
        let seen = self.witness.and_then(|seen| seen(&last.system, Some(&action), &next.system));
        if let Some(history) = seen {
            next.system.history = history;
        }
        if self.pruning == Pruning::On
            && let Some(representative) = &self.representative
            && let Some(system) = representative(&next.system)
        {
            next.system = system;
        }
        (next != *last && possible(&next)).then_some(next)
    }

    fn format_action(&self, action: &Self::Action) -> String {
        match action {
            Action::Step(step) if self.order.is_none() => {
                self.inner.format_action(&to_stateright::<A>(step))
            }
            Action::Step(_) | Action::Perform(_) => format!("{action:?}"),
        }
    }

    fn format_step(&self, last: &Self::State, action: Self::Action) -> Option<String> {
        match action {
            Action::Step(step) if self.order.is_none() => {
                self.inner.format_step(&last.system.to_stateright(), to_stateright::<A>(&step))
            }
            Action::Step(_) | Action::Perform(_) => {
                self.next_state(last, action).map(|next| format!("{next:#?}"))
            }
        }
    }

    /// Nothing where steps have crash points: stateright draws whole steps.
    fn as_svg(&self, path: Path<Self::State, Self::Action>) -> Option<String> {
        let whole = |action: &ActionIn<A>| match action {
            Action::Step(step) => Some(to_stateright::<A>(step)),
            Action::Perform(_) => None,
        };
        if self.order.is_some() {
            return None;
        }
        let steps = path.into_vec().into_iter();
        let steps: Vec<_> = steps
            .map(|(state, action)| (state.system.to_stateright(), action.as_ref().and_then(whole)))
            .collect();
        let actions: Vec<_> = steps.iter().filter_map(|(_, action)| action.clone()).collect();
        let first = steps.first()?.0.clone();
        let path = Path::from_actions(&Projection::<A, H>(steps), first, &actions)?;
        let drawn = self.inner.as_svg(path)?;
        let is_one = matches!(self.pruning, Pruning::On | Pruning::Senders);
        Some(if is_one { with_caption(&drawn) } else { drawn })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.properties.clone()
    }
}
