//! The models of coordinators by themselves, by name.

use super::Setup;
use crate::checker::entry::Entry;

/// Every model of coordinators by themselves.
pub fn all() -> Vec<Entry<Setup>> {
    let setup =
        |epochs, rounds, crashes| Setup { coordinators: 3, proposers: 2, epochs, rounds, crashes };
    vec![
        Entry::new(
            "coordinators",
            "two proposers duel over two epochs, with a crash: one view an epoch",
            setup(2, 1, 1),
        ),
        Entry::new(
            "coordinators-votes",
            "two proposers duel over one epoch with second ballots, and are shown different votes",
            setup(1, 2, 0),
        ),
        Entry::new("coordinators-votes-crash", "the same with a crash", setup(1, 2, 1)).deep(),
        Entry::new("coordinators-again", "two epochs, second ballots, and a crash", setup(2, 2, 1))
            .partial(),
    ]
}
