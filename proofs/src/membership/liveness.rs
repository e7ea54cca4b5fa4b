//! What ends among members by themselves, where the world is fair: see
//! [`liveness`](crate::checker::liveness).
//!
//! *Every suspicion is refuted or decided*: it is open while a live member suspects another one.
//! *All tables agree*: it is open while two live members hold each other, or themselves,
//! differently. Periods are numbered, so a member begins so many of them, and suspects no more
//! after that; tables are compared on and on, with the same words.

use super::setup::Setup;
use super::world::{Lives, MembershipModel, ProofActor, State, agree};
use crate::checker::entry::{Entry, Steps};
use crate::checker::liveness::{Deed, DeedOf, Fair};
use crate::checker::reduce::Pruning;
use crate::claim::Claim;
use chainring_model::Mechanisms;

impl Setup {
    /// The model in which it is asked whether all ends, and what is asked.
    pub fn fair<M: Mechanisms>(
        &self,
        mechanisms: &M,
    ) -> (MembershipModel<M>, Fair<ProofActor<M>, Lives>) {
        let model = self.model(mechanisms, Pruning::Senders);
        let fair = Fair::new(|_: &State<M>, deed: &DeedOf<ProofActor<M>>| {
            matches!(deed, Deed::Fires(..) | Deed::Recovers(_))
        });
        let fair = fair.claim(Claim::SuspicionsEnd, |state: &State<M>| {
            let mut up = state.system.actor_states.iter().filter_map(|state| state.as_ref());
            up.any(|member| !member.suspicions.is_empty())
        });
        (model, fair.claim(Claim::TablesAgree, |state: &State<M>| !agree(state)))
    }
}

/// The models in which it is asked whether all ends.
pub fn models() -> Vec<Entry<Setup>> {
    let entry = |name, about, setup| Entry { steps: Steps::Fair, ..Entry::new(name, about, setup) };
    vec![
        entry(
            "ends-members",
            "one suspects another one, or holds it dead; what is lost is told again",
            Setup::new([3, 0]).comparing([0]),
        ),
        entry(
            "ends-members-crash",
            "the same with a crash of the other one",
            Setup::new([2, 0]).comparing([0, 1]).crashes(1, [1]),
        ),
    ]
}
