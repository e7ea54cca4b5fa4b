//! The model of a chain: what checks a configuration.

use super::invariants::of_chain;
use super::reductions::{equivalent_senders, measured};
use super::setup::Setup;
use super::world::{ChainModel, System, World, decided, finished, installed, members};
use crate::checker::model::Checked;
use crate::checker::reduce::Pruning;
use crate::checker::run::{Options, Report, run};
use crate::claim::{Claim, without};
use crate::history::History;
use chainring_model::chain::Timer;
use chainring_model::{Intact, Mechanism, Mechanisms, Without};
use stateright::actor::{ActorModelAction, Id};
use std::sync::Arc;

impl Setup {
    /// The model that checks this.
    pub fn model<M: Mechanisms>(&self, mechanisms: &M, pruning: Pruning) -> ChainModel<M> {
        let mut model =
            Checked::new(self.history()).crashes(self.crashes, self.mortal()).pruning(pruning);
        model = model.processes(self.processes());
        if self.lossy {
            model = model.lossy();
        }
        if self.disks_lost {
            model = model.losing_disks(!mechanisms.has(Mechanism::StoreRequired));
        }
        if !self.given_up.is_empty() {
            model = model.in_flight(self.reform());
        }
        if self.anew {
            model = model.in_flight([self.word()]);
        }
        if self.late {
            model = model.in_flight([self.late_update()]);
        }
        let this = self.clone();
        model = model.local(move |envelope| this.is_local(envelope));
        if self.coordinators > 0 {
            let this = self.clone();
            model = model.scope(move |system, action| this.is_in_scope(system, action));
            model = model.witness(witness).measured(measured);
        }
        let (actors, stores): (Vec<_>, Vec<_>) = self.actors(mechanisms).into_iter().unzip();
        let all: Arc<[_]> = actors.clone().into();
        model = model.equivalent_senders(move |envelope| equivalent_senders(&all, envelope));
        for (actor, store) in actors.into_iter().zip(stores) {
            model = model.actor(actor, store);
        }
        let reached = self.reached.iter().map(|reached| reached.property());
        // Where disks are lost for good, a chain may be, too, and copies are.
        let resting = [Claim::NoDeadEnd, Claim::Copies];
        let not_claimed = match (self.disks_lost, self.ends_early) {
            (true, _) => &resting[..],
            (false, true) => &resting[..1],
            (false, false) => &[],
        };
        let claimed = without(of_chain(), not_claimed);
        claimed.into_iter().chain(reached).fold(model, Checked::property)
    }

    /// Whether a run may end here: every script has done what it had to do, and a chain that
    /// is to grow has grown.
    pub fn is_finished<W: World>(&self, world: &W, state: &W::State) -> bool {
        let members = members(W::system(state));
        let joiner = Id::from(self.replicas);
        let has_grown = || {
            let of_newest = members.iter().filter(|it| it.view.chain.contains(&joiner));
            of_newest.count() > self.replicas
        };
        finished(world, state) && (!self.grows || has_grown())
    }

    /// Explores this, of the protocol as it is, or without a mechanism.
    pub fn check(&self, lacks: Option<Mechanism>, pruning: Pruning, options: &Options) -> Report {
        match lacks {
            None => run(|| self.model(&Intact, pruning), options),
            Some(mechanism) => run(|| self.model(&Without(mechanism), pruning), options),
        }
    }
}

/// What a step does to views.
fn witness<M: Mechanisms, Msg>(
    before: &System<M>,
    _: Option<&ActorModelAction<Msg, Timer, ()>>,
    after: &System<M>,
) -> Option<History> {
    let mut decisions = after.history.decisions().clone();
    for (before, after) in before.actor_storages.iter().zip(&after.actor_storages) {
        if let (Some(before), Some(after)) = (before, after)
            && before != after
        {
            match (decided(before), decided(after), installed(before), installed(after)) {
                (Some(before), Some(after), ..) => decisions.decide(&before, &after),
                (_, _, Some(before), Some(after)) => decisions.move_on(&before, &after),
                _ => {} // a gateway's first other view than the one that it is configured with
            }
        }
    }
    let coordinators = after.actor_storages.iter().flatten();
    let epochs = coordinators.filter_map(|store| Some(decided(store)?.epoch));
    decisions.forget(epochs.min().unwrap_or(0));
    (decisions != *after.history.decisions()).then(|| after.history.decided(decisions))
}
