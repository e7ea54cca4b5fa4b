//! Where each mechanism of the ring shows that it is needed.

use chainring_model::Mechanism;

/// The model and the property that fall without a mechanism.
///
/// # Panics
/// For mechanisms of the chain.
pub fn mutant(lacks: Mechanism) -> (&'static str, &'static str) {
    use Mechanism::*;
    match lacks {
        QuorumMajority => ("ring-read", "linearizable"),
        ReadQuorum => ("ring-read", "linearizable"),
        PromiseKept => ("ring-write", "one lineage"),
        PromiseDurable => ("ring-crash", "one lineage"),
        BallotPerAttempt => ("ring-lanes", "one value per ballot"),
        BallotIncarnation => ("ring-crash-gateway", "one value per ballot"),
        BallotAbove => ("ring-write", "sometimes"),
        Recent => ("ring-recent-2", "linearizable"),
        SmallestBase => ("ring-recent-1", "linearizable"),
        FoundAccepted => ("ring-recent-2", "linearizable"),
        RefusalAccepted => ("ring-compete", "linearizable"),
        PurgeAll => ("ring-purge", "linearizable"),
        PurgePromise => ("ring-purge", "linearizable"),
        BallotFloor => ("ring-purge", "linearizable"),
        VersionFloor => ("ring-purge-retry", "linearizable"),
        EpochCheck => ("ring-move", "linearizable"),
        other => ("ring-move", if other == FetchThenVote { "linearizable" } else { "held" }),
    }
}
