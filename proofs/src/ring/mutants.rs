//! Where each mechanism of the ring shows that it is needed.
//!
//! Nodes are 0 to 2, or 0 to 3, the gateways follow, then the clients, then the oracle. Every script is
//! also driven through the intact protocol, where nothing must fall.

use chainring_model::Mechanism;

/// The sweep of two of three nodes, up to their purge.
const SWEEP_1_AND_2: &str = "12! Sweep; 1>02 Sweep; 2>01 Sweep; 02>1 Held; 01>2 Held;";

/// The model and the property that fall without a mechanism, and the run that shows it.
///
/// # Panics
/// For mechanisms of the chain.
pub fn mutant(lacks: Mechanism) -> (&'static str, &'static str) {
    use Mechanism::*;
    match lacks {
        QuorumMajority => ("ring-write-read", "linearizable"),
        ReadQuorum => ("ring-read", "linearizable"),
        PromiseKept => ("ring-write", "one lineage"),
        PromiseDurable => ("ring-crash-write", "one lineage"),
        BallotPerAttempt => ("ring-lanes", "one value per ballot"),
        BallotIncarnation => ("ring-crash-gateway", "one value per ballot"),
        Recent => ("ring-recent-2", "linearizable"),
        SmallestBase => ("ring-recent-1", "linearizable"),
        FoundAccepted => ("ring-recent-2", "linearizable"),
        RefusalAccepted => ("ring-compete", "linearizable"),
        PurgeAll => ("ring-purge", "linearizable"),
        PurgePromise => ("ring-purge-write", "linearizable"),
        BallotFloor => ("ring-purge", "linearizable"),
        VersionFloor => ("ring-purge-retry", "linearizable"),
        FloorsFetched => ("ring-move-purged", "linearizable"),
        BallotEpoch => ("ring-move-epoch", "one lineage"),
        EpochCheck => ("ring-move-epoch", "linearizable"),
        QuorumJoint => ("ring-move-back", "linearizable"),
        FetchMajority => ("ring-move", "linearizable"),
        FetchForgets => ("ring-move-stale", "linearizable"),
        FetchEachView => ("ring-move-twice", "linearizable"),
        CopyIsNoVote => ("ring-move-copy", "linearizable"),
        ReportsAwaited => ("ring-move", "linearizable"),
        other => panic!("{other:?} is no mechanism of the ring"),
    }
}

/// The run that shows what goes wrong without a mechanism; `None` for mechanisms of the chain.
pub fn script(lacks: Mechanism) -> Option<String> {
    use Mechanism::*;
    let script = match lacks {
        QuorumMajority => {
            "3>0 Prepare; 0>3 Promise; 3>0 Accept; 0>3 Accepted; 3>1 Read; 1>3 Vote".to_string()
        }
        ReadQuorum => "3>01 Prepare; 01>3 Promise; 3>0 Accept
             4>01 Read; 01>4 Vote
             4>12 Read; 12>4 Vote"
            .to_string(),
        PromiseKept => "3>01 Prepare; 01>3 Promise; 4>01 Prepare; 01>4 Promise; 3>01 Accept".into(),
        PromiseDurable => "3>01 Prepare; 01>3 Promise; 4>12 Prepare; 12>4 Promise
             1 crash; 1 recover
             3>01 Accept"
            .into(),
        BallotPerAttempt => "3>01 Prepare 3.1/0#1; 01>3 Promise 3.1/0#1
             3>01 Prepare 3.1/1#1; 01>3 Promise 3.1/1#1"
            .into(),
        BallotIncarnation => "3>01 Prepare; 01>3 Promise; 3 crash; 3 recover
             3>01 Prepare 3.2/0#1; 01>3 Promise 3.2/0#1"
            .into(),
        // 3's first attempt reaches 0 only, 4 builds on it, and then 3 tries again.
        Recent | SmallestBase => "3>01 Prepare; 01>3 Promise; 3>0 Accept
             4>01 Prepare; 01>4 Promise; 4>01 Accept; 01>4 Accepted
             3>1 Accept; 1>3 Refuse; 3! Backoff
             3>01 Prepare; 01>3 Promise; 3>01 Accept; 01>3 Accepted"
            .into(),
        // Both find their own half-done attempt, which the other one does not see.
        FoundAccepted => "3>01 Prepare; 01>3 Promise; 3>0 Accept
             4>12 Prepare; 12>4 Promise
             3>1 Accept; 1>3 Refuse; 3! Backoff; 3>01 Prepare; 01>3 Promise
             4>2 Accept; 4>1 Accept; 1>4 Refuse; 4! Backoff; 4>12 Prepare; 12>4 Promise"
            .into(),
        RefusalAccepted => "3>01 Prepare; 01>3 Promise; 3>0 Accept
             4>01 Prepare; 01>4 Promise
             4>12 Prepare; 12>4 Promise"
            .into(),
        // 2 misses the delete, and 0 purges.
        PurgeAll => "3>012 Prepare; 01>3 Promise; 3>012 Accept; 01>3 Accepted
             4>01 Prepare; 01>4 Promise; 4>01 Accept; 01>4 Accepted
             0! Sweep; 0>1 Sweep; 1>0 Held
             4>02 Read; 02>4 Vote; 4! Resend; 4>02 Prepare; 02>4 Promise
             4>02 Accept; 02>4 Accepted"
            .into(),
        // 1 and 2 have promised 4's ballot, forget that with the tombstone, and accept 3's lower one.
        PurgePromise => format!(
            "4>12 Prepare; 12>4 Promise; {SWEEP_1_AND_2}
             3>12 Prepare; 12>3 Promise; 3>12 Accept; 12>3 Accepted
             4>12 Accept; 12>4 Accepted"
        ),
        // Duplicates of the put come when the delete was purged.
        BallotFloor => format!(
            "3>12 Prepare; 12>3 Promise; 3>12 Accept; 12>3 Accepted
             4>12 Prepare; 12>4 Promise; 4>012 Accept; 12>4 Accepted
             {SWEEP_1_AND_2}
             3>12 Accept; 4>12 Read; 12>4 Vote"
        ),
        // The retry comes when everything that could tell was purged.
        VersionFloor => format!(
            "3>01 Prepare; 01>3 Promise; 3>0 Accept
             4>01 Prepare; 01>4 Promise; 4>01 Accept; 01>4 Accepted
             4>01 Prepare; 01>4 Promise; 4>012 Accept; 01>4 Accepted
             3>1 Accept; 1>3 Refuse
             {SWEEP_1_AND_2}
             3! Backoff; 3>12 Prepare; 12>3 Promise; 3>12 Accept; 12>3 Accepted"
        ),
        // The same, but the purge was at old replicas, and the retry asks the newcomers 3 and 4.
        FloorsFetched => format!(
            "5>01 Prepare; 01>5 Promise; 5>0 Accept
             6>01 Prepare; 01>6 Promise; 6>01 Accept; 01>6 Accepted
             6>01 Prepare; 01>6 Promise; 6>012 Accept; 01>6 Accepted
             5>1 Accept; 1>5 Refuse
             {SWEEP_1_AND_2}
             9! Decide(0); 9>1234 Install; 34>12 Fetch; 12>3 Rows; 12>4 Rows
             34>9 Stabilized; 9! Decide(1); 9>345 Install 3
             5>34 Prepare; 34>5 Promise; 5>34 Accept; 34>5 Accepted"
        ),
        // 5's second write is half done in the first epoch; 4's of the third has a lower number.
        BallotEpoch => "5>01 Prepare; 01>5 Promise; 5>01 Accept; 01>5 Accepted
             5>01 Prepare; 01>5 Promise; 5>0 Accept
             8! Decide(0); 8>123 Install; 3>12 Fetch; 12>3 Rows; 3>8 Stabilized
             8! Decide(1); 8>0234 Install epoch: 3
             4>23 Prepare; 23>4 Promise; 4>23 Accept; 23>4 Accepted
             4>02 Read; 02>4 Vote; 4! Resend; 4>02 Prepare; 02>4 Promise
             4>02 Accept; 02>4 Accepted"
            .into(),
        // 5 knows nothing of the new ring.
        EpochCheck => "8! Decide(0); 8>123 Install; 3>12 Fetch; 12>3 Rows; 3>8 Stabilized
             8! Decide(1); 8>234 Install epoch: 3
             4>23 Prepare; 23>4 Promise; 4>23 Accept; 23>4 Accepted
             5>01 Prepare; 01>5 Promise; 5>01 Accept; 01>5 Accepted"
            .into(),
        QuorumJoint => "6! Decide(0); 6>1234 Install; 3>12 Fetch; 12>3 Rows
             4>23 Prepare; 23>4 Promise; 4>23 Accept; 23>4 Accepted
             6! Decide(1); 6>014 Install epoch: 3
             4>01 Read; 01>4 Vote"
            .into(),
        FetchMajority => "6! Decide(0); 6>23 Install; 3>2 Fetch; 2>3 Rows; 3>6 Stabilized
             6! Decide(1); 6>234 Install epoch: 3
             4>23 Read; 23>4 Vote"
            .into(),
        ReportsAwaited => {
            "6! Decide(0); 6! Decide(1); 6>234 Install epoch: 3; 4>23 Read; 23>4 Vote".into()
        }
        // 3 holds what was deleted, and purged, while it was away.
        FetchForgets => "6! Decide(0); 6>123 Install; 3>12 Fetch; 12>3 Rows; 3>6 Stabilized
             6! Decide(1); 6>234 Install epoch: 3
             4>23 Read; 23>4 Vote; 4! Resend; 4>23 Prepare; 23>4 Promise
             4>23 Accept; 23>4 Accepted"
            .into(),
        // 3 fetches, a write happens without it, and the next view has it again, with 0, which missed it.
        FetchEachView => "6! Decide(0); 6>1234 Install; 3>12 Fetch; 12>3 Rows
             4>12 Prepare; 12>4 Promise; 4>12 Accept; 12>4 Accepted
             6! Decide(1); 6>03 Install epoch: 3; 3>6 Stabilized epoch: 3
             6! Decide(2); 6>034 Install epoch: 4
             4>03 Read; 03>4 Vote"
            .into(),
        // 4's write reaches 1, 5's reaches 2, 3 copies the first: no quorum has either.
        CopyIsNoVote => "4>01 Prepare; 01>4 Promise; 4>1 Accept
             5>02 Prepare 5.1/0; 02>5 Promise; 5>2 Accept
             9! Decide(0); 9>013 Install; 3>01 Fetch; 01>3 Rows; 3>9 Stabilized
             9! Decide(1); 9>1235 Install epoch: 3
             5>13 Read; 13>5 Vote
             5>23 Read; 23>5 Vote; 5! Resend; 5>23 Prepare; 23>5 Promise
             5>23 Accept; 23>5 Accepted"
            .into(),
        _ => return None,
    };
    Some(script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{System, find};
    use crate::checked::Pruning;
    use crate::drive::drive;
    use chainring_model::{Intact, Without};

    /// Every run shows what it is there to show, and only where the mechanism is missing.
    #[test]
    fn scripts_catch_mutants_and_nothing_else() {
        let mut report = Vec::new();
        for lacks in Mechanism::ALL {
            let Some(script) = script(*lacks) else { continue };
            let (model, property) = mutant(*lacks);
            let entry = find(model).expect("a model of the catalogue");
            let System::Ring(setup) = &entry.system else { panic!("{model} is no ring") };
            let mutated = drive(&setup.model(&Without(*lacks), Pruning::On), &script, property);
            if mutated.fell.is_none() {
                report.push(format!("{lacks:?}: {:?} {:#?}", mutated.stuck, mutated.steps));
            }
            let intact = drive(&setup.model(&Intact, Pruning::On), &script, property);
            if intact.fell.is_some() {
                report.push(format!("intact, by the script of {lacks:?}: {:#?}", intact.steps));
            }
        }
        assert!(report.is_empty(), "{}", report.join("\n"));
    }
}
