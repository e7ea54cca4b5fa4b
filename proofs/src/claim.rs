//! What is claimed, by name.
//!
//! A claim has one name: in code it is a variant, in the output of `chainring check`, in the README
//! and in `docs/` it is [`Claim::name`]. What a claim says of one protocol, and where that is from,
//! stands in the file of that protocol's `invariants` which makes a property of it.

use stateright::{Model, Property};
use std::fmt::{self, Display, Formatter};

macro_rules! claims {
    ($($variant:ident = $name:literal, $sentence:literal;)+) => {
        /// Something that is claimed of every run of a protocol.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Claim {
            $(#[doc = $sentence] $variant,)+
        }

        impl Claim {
            /// Every claim: first those of several protocols, then the chain's, the ring's, the
            /// members', and those that ask for an end.
            pub const ALL: &[Claim] = &[$(Claim::$variant,)+];

            /// What it is called, wherever it is named.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Claim::$variant => $name,)+
                }
            }

            /// What it says, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Claim::$variant => $sentence,)+
                }
            }
        }
    };
}

claims! {
    Linearizable = "linearizable",
        "Some order of the operations explains what every client saw.";
    Held = "held",
        "Every acknowledged update is where the next view will find it.";
    AtMostOnce = "at most once",
        "No operation takes effect twice.";
    IncarnationsGrow = "incarnations grow",
        "No start of a gateway has the number of an earlier one.";
    OneView = "one view an epoch",
        "No two views are decided, told of or installed for one epoch.";
    EpochsAdvance = "epochs never go back",
        "No actor shows to know an older view than it has shown before, also not after a crash.";
    Durable = "durable",
        "What a live actor acts on is what it has saved.";
    Bounded = "bounded",
        "No log outgrows its window, and no message its bounds.";

    UpdatePropagation = "update propagation",
        "A successor's history is a prefix of its predecessor's.";
    InProcessRequests = "in-process requests",
        "What a successor lacks is in its predecessor's log, without gaps.";
    Pending = "pending",
        "What a successor has not committed yet, its predecessor has not committed either.";
    Stable = "stable",
        "A successor's stable store holds all that its predecessor's holds.";
    Agreement = "agreement",
        "Two members that have committed as much hold the same.";
    Retained = "retained",
        "What a learner lacks of its tail's committed entries is in the tail's log.";
    Handover = "handover",
        "A tail hands over to a learner that has every row.";
    Copies = "copies",
        "Every acknowledged update is on as many disks of members as copies are to be kept.";
    Passable = "passable",
        "A coordinator votes only for what a majority of them would vote for, as to copies.";
    RefusedIsRefused = "refused is refused",
        "What a client was told did not happen never does.";

    OneValuePerBallot = "one value per ballot",
        "A ballot of a key stands for one content, wherever it is.";
    OneLineage = "one lineage",
        "What is chosen is built upon by every higher ballot.";
    RefusedForGood = "refused for good",
        "What was told to be unavailable is in no content.";
    NothingGivenUp = "nothing given up",
        "Where a majority of the coordinators would not give nodes up, no node is given up.";
    GoneForGood = "gone for good",
        "Where copies are repaired, no node holds what was accepted before a purged tombstone.";
    UnknownWhenItMustBe = "unknown when it must be",
        "No outcome is unknown where the registers remember enough to tell.";

    IncarnationsNeverGoBack = "incarnations never go back",
        "On no table, saved or not, does a row go back to an older incarnation.";
    DeadStayDead = "the dead stay dead",
        "A member that was once held dead or gone in a life is never held alive in it again.";
    RestartIsNewLife = "a restart is a new life",
        "A member starts in an incarnation in which no other member has known it.";
    NobodyIsAhead = "nobody is ahead",
        "No row is of a later incarnation than its member has saved.";
    SaidIsRefuted = "what is said is refuted",
        "A member that hears worse of itself than it knows takes a later incarnation.";

    NoDeadEnd = "no dead end",
        "Where nothing can happen any more, every script has finished.";
    CanFinish = "can always finish",
        "From every state some way leads to one in which everything is finished.";
    OperationsEnd = "every operation ends",
        "On every fair run, each client hears of each of its operations.";
    LearnersJoin = "every learner becomes a member",
        "On every fair run, a node that is up, and would serve, is a member at last.";
    SuspicionsEnd = "every suspicion is refuted or decided",
        "On every fair run, a suspected member is heard again, or removed.";
    VotesDecided = "every vote is decided",
        "On every fair run, what an acceptor has voted for, or another view, is decided.";
    ViewsKnown = "every view is known",
        "On every fair run, all that a decided view concerns hear of it, or of a later one.";
    JointViewsEnd = "every joint view becomes stable",
        "On every fair run, what a joint view moves is moved at last.";
    TablesAgree = "all tables agree",
        "On every fair run, live members hold each other the same at last.";
    DidNotFinish = "did not finish",
        "In a simulation, everything is finished within a generous time after it has calmed down.";
    NoPanic = "no panic",
        "In a simulation, no handler panics.";
}

impl Claim {
    /// The claim of this name.
    pub fn of(name: &str) -> Option<Claim> {
        Claim::ALL.iter().copied().find(|claim| claim.name() == name)
    }

    /// This, as a property that holds in every state.
    pub fn always<W: Model>(self, holds: fn(&W, &W::State) -> bool) -> Property<W> {
        Property::always(self.name(), holds)
    }

    /// This, as a property of which a state without further steps is asked.
    pub fn eventually<W: Model>(self, holds: fn(&W, &W::State) -> bool) -> Property<W> {
        Property::eventually(self.name(), holds)
    }
}

/// These properties, but for what is not claimed of a model.
pub fn without<W: Model>(mut properties: Vec<Property<W>>, claims: &[Claim]) -> Vec<Property<W>> {
    properties.retain(|property| !claims.iter().any(|claim| claim.name() == property.name));
    properties
}

impl AsRef<str> for Claim {
    fn as_ref(&self) -> &str {
        self.name()
    }
}

impl Display for Claim {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_is_one_claim() {
        let names: BTreeSet<_> = Claim::ALL.iter().map(|claim| claim.name()).collect();
        assert_eq!(names.len(), Claim::ALL.len());
        for claim in Claim::ALL {
            assert_eq!(Claim::of(claim.name()), Some(*claim));
            assert!(claim.sentence().ends_with('.') && claim.sentence().len() < 100);
        }
    }
}
