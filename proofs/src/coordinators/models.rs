//! The models of coordinators by themselves, by name.

use super::Setup;
use crate::checker::entry::Entry;

/// Every model of coordinators by themselves.
pub fn all() -> Vec<Entry<Setup>> {
    let setup = |rounds| Setup { coordinators: 3, proposers: 2, rounds, crashes: 1 };
    vec![
        Entry::new(
            "coordinators",
            "two proposers duel over two epochs, with a crash: one view an epoch",
            setup(1),
        ),
        Entry::new("coordinators-again", "the same with second ballots", setup(2)).partial(),
    ]
}
