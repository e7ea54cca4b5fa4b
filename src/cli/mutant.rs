//! A mutant, as it is asked for.

use chainring_model::Mechanism;
use chainring_proofs::catalogue;

/// The mechanism that a mutant lacks.
pub fn mechanism(mutant: &str) -> Result<Mechanism, String> {
    let lacks = Mechanism::ALL.iter().find(|lacks| lacks.mutant() == mutant);
    lacks.copied().ok_or_else(|| {
        format!(
            "there is no mutant `{mutant}`. Near to it are {}; `chainring check --mutants` runs all {}",
            catalogue::nearest(mutant, Mechanism::ALL.iter().map(|lacks| lacks.mutant())),
            Mechanism::ALL.len()
        )
    })
}
