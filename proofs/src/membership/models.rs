//! The models of members by themselves, by name.

use super::{Reached, Setup};
use crate::checker::entry::{Entry, Steps};

/// Every model of members by themselves.
pub fn all() -> Vec<Entry<Setup>> {
    let families = [sure(), lossy(), three()];
    families.into_iter().flatten().collect()
}

/// What is sent may arrive at any time.
fn sure() -> Vec<Entry<Setup>> {
    vec![
        Entry::new(
            "members-two",
            "two who ask each other, suspect, declare dead and refute, each at any moment",
            Setup::new([3, 3]).reached([
                Reached::WronglySuspected,
                Reached::WronglyDead,
                Reached::DeadToEachOther,
                Reached::Refuted,
            ]),
        ),
        Entry::new(
            "members-crash",
            "two who ask each other, and a crash of either: a new life overrules a tombstone",
            Setup::new([3, 1]).crashes(1, [0, 1]).reached([
                Reached::Found,
                Reached::StaleUnderWay,
                Reached::Restarted,
                Reached::Refuted,
            ]),
        ),
        Entry::new(
            "members-stale",
            "one is found dead, and a third one's table says that it lives",
            Setup { cut_off: Some(2), ..Setup::new([3, 0, 0]) }
                .comparing([0])
                .reached([Reached::StaleUnderWay]),
        ),
        Entry::new(
            "members-confirm",
            "two find the same, and say so to each other",
            Setup { cut_off: Some(2), ..Setup::new([2, 2, 0]) }
                .reached([Reached::Confirmed, Reached::StaleUnderWay]),
        ),
        Entry::new(
            "members-relay",
            "questions are asked again, with the help of others",
            Setup { tries: 1, ..Setup::new([2, 0, 0]) }.reached([Reached::Relayed]),
        ),
        Entry::new(
            "members-leave",
            "one leaves, while both ask each other and compare tables",
            Setup { leaver: Some(1), ..Setup::new([2, 1]) }
                .comparing([0])
                .crashes(1, [1])
                .reached([Reached::Left, Reached::Restarted, Reached::StaleUnderWay]),
        ),
    ]
}

/// What is sent may be lost for good: tables converge all the same.
fn lossy() -> Vec<Entry<Setup>> {
    vec![
        Entry {
            steps: Steps::Graph,
            ..Entry::new(
                "members-join",
                "a newcomer who knows one; any message may be lost for good",
                Setup { newcomer: true, lossy: true, ..Setup::new([0, 0, 0]) }
                    .comparing([2])
                    .reached([Reached::Joined]),
            )
        },
        Entry {
            steps: Steps::Graph,
            ..Entry::new(
                "members-lossy",
                "any message may be lost for good: one who is held dead learns it, and tables \
                 converge",
                Setup { lossy: true, ..Setup::new([3, 0]) }
                    .comparing([0])
                    .reached([Reached::WronglyDead, Reached::Refuted]),
            )
        },
        Entry {
            steps: Steps::Graph,
            ..Entry::new(
                "members-resume",
                "any message may be lost for good, and one crashes",
                Setup { lossy: true, ..Setup::new([1, 1]) }
                    .comparing([0])
                    .crashes(1, [1])
                    .reached([Reached::Restarted]),
            )
        },
    ]
}

/// Three members.
fn three() -> Vec<Entry<Setup>> {
    vec![Entry::new(
        "members-three",
        "one asks two others, and one of them may crash",
        Setup::new([3, 0, 0]).crashes(1, [2]).reached([
            Reached::Found,
            Reached::StaleUnderWay,
            Reached::Restarted,
            Reached::Refuted,
        ]),
    )]
}
