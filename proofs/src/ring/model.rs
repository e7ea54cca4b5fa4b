//! The model of a ring: what checks a configuration.

use super::invariants::{self, of_ring};
use super::reached::Reached;
use super::reductions::Reductions;
use super::reductions::scope::{is_local, is_within};
use super::setup::{Client, Mortal, Setup};
use super::world::{Action, ProofActor, RingModel, System, decided, installed};
use crate::checker::model::Checked;
use crate::checker::reduce::Pruning;
use crate::checker::run::{Options, Report, run};
use crate::claim::{Claim, without};
use crate::history::History;
use chainring_model::{Intact, Mechanism, Mechanisms, Without};
use std::sync::Arc;

impl Setup {
    /// The model that checks this.
    pub fn model<M: Mechanisms>(&self, mechanisms: &M, pruning: Pruning) -> RingModel<M> {
        let (actors, stores): (Vec<_>, Vec<_>) = self.actors(mechanisms).into_iter().unzip();
        let all: Arc<[_]> = actors.clone().into();
        let reductions = Arc::new(self.reductions(all, mechanisms));
        let mut model = Checked::new(self.history())
            .crashes(self.crashes, self.mortal())
            .processes(self.processes())
            .pruning(pruning)
            .in_flight(self.in_flight())
            .local(|envelope| is_local(envelope.msg))
            .witness(witness);
        if self.lossy {
            model = model.lossy();
        }
        if let Some(rounds) = self.rounds {
            model = model.assume(move |system| is_within(system, rounds));
        }
        let this = Arc::clone(&reductions);
        model = model.equivalent_senders(move |envelope| this.equivalent_senders(envelope));
        let this = Arc::clone(&reductions);
        model = model.spent(move |system, envelope| this.is_spent(system, envelope));
        let this = Arc::clone(&reductions);
        model = model.representative(move |system| this.representative(system));
        let this = self.clone();
        model = model.scope(move |system, action| this.is_in_scope(system, action));
        model = model.persistent_set(move |system, action| reductions.is_in_order(system, action));
        for (actor, store) in actors.into_iter().zip(stores) {
            model = model.actor(actor, store);
        }
        let reached = self.reached.iter().map(|reached| reached.property());
        let claimed = without(of_ring(self.recent), &self.not_claimed());
        if !self.gives_up.is_empty() && self.gives_up.len() * 2 <= self.coordinators && !self.reform
        {
            model = model.property(invariants::nothing_given_up());
        }
        if self.repairs.is_some() {
            model = model.property(invariants::gone_for_good());
        }
        if self.tells() {
            model = model.property(invariants::known());
        }
        claimed.into_iter().chain(reached).fold(model, Checked::property)
    }

    /// What does not hold of a ring like this.
    fn not_claimed(&self) -> Vec<Claim> {
        let mut not_claimed = Vec::new();
        // A ring whose reform loses a write is not linearizable, and what is said of chosen
        // contents does not hold.
        if self.reached.contains(&Reached::WriteLost) {
            not_claimed.extend([Claim::Linearizable, Claim::OneLineage, Claim::Held]);
        }
        // A gateway that may not begin a ballot beyond the last round is at a dead end.
        if self.rounds.is_some() {
            not_claimed.push(Claim::NoDeadEnd);
        }
        not_claimed
    }

    /// What a model need not tell apart.
    fn reductions<M: Mechanisms>(
        &self,
        actors: Arc<[ProofActor<M>]>,
        mechanisms: &M,
    ) -> Reductions<M> {
        Reductions::of(actors, mechanisms, self.lossy, self.sweeps, self.symmetric_nodes())
    }

    /// The same system with its nodes in every order in which it goes on in the same way.
    pub fn images(&self, model: &RingModel, system: &System) -> Vec<System> {
        let reductions = self.reductions(model.actors().to_vec().into(), &Intact);
        reductions.orders().iter().map(|order| reductions.reordered(system, order)).collect()
    }

    /// Whether registers remember enough for every outcome to be known: an operation and all that
    /// can come after it, while no gateway crashes, no deadline passes, and nothing is purged.
    fn tells(&self) -> bool {
        let updates = |client: &Client| client.ops.iter().filter(|(_, op)| !op.is_read()).count();
        let all: usize = self.clients.iter().map(updates).sum();
        let others = self.clients.iter().map(|client| all - updates(client));
        let immortal = self.crashes == 0 || self.mortal == Mortal::Nodes;
        immortal && !self.deadlines && !self.sweeps && others.max() < Some(self.recent)
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
fn witness<M: Mechanisms>(
    before: &System<M>,
    _: Option<&Action>,
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
                _ => {}
            }
        }
    }
    let coordinators = after.actor_storages.iter().flatten();
    let epochs = coordinators.filter_map(|store| Some(decided(store)?.epoch));
    decisions.forget(epochs.min().unwrap_or(0));
    (decisions != *after.history.decisions()).then(|| after.history.decided(decisions))
}
