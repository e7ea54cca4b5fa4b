//! Runs of the ring that show what goes wrong without a mechanism.
//!
//! Most mutants of the ring are caught by a schedule: quorums make runs long, and the networks of
//! these models hold many messages. Every schedule is also followed in the intact protocol, where
//! it gets stuck, or nothing falls.

/// One node answers for all.
pub const QUORUM_MAJORITY: &str = "
    g0 > n0: Prepare; n0 > g0: Promise; g0 > n0: Accept; n0 > g0: Accepted; g0 > n1: Read
    n1 > g0: Vote
";

/// A write has reached one node, which one read asks and the next one does not.
pub const READ_QUORUM: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g0 > n0: Accept
    g1 > n0, n1: Read; n0, n1 > g1: Vote
    g1 > n1, n2: Read; n1, n2 > g1: Vote
";

/// Two attempts are accepted by the same two nodes, the lower one last.
pub const PROMISE_KEPT: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g1 > n0, n1: Prepare; n0, n1 > g1: Promise
    g0 > n0, n1: Accept
";

/// The node that both attempts asked forgets that it promised.
pub const PROMISE_DURABLE: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g1 > n1, n2: Prepare; n1, n2 > g1: Promise
    n1: crash; n1: recover
    g0 > n0, n1: Accept
";

/// Both lanes go with the same number.
pub const BALLOT_PER_ATTEMPT: &str = "
    g0 > n0, n1: Prepare 3.1/0#1; n0, n1 > g0: Promise 3.1/0#1
    g0 > n0, n1: Prepare 3.1/1#1; n0, n1 > g0: Promise 3.1/1#1
";

/// The next start begins to count anew.
pub const BALLOT_INCARNATION: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g0: crash; g0: recover
    g0 > n0, n1: Prepare 3.2/0#1; n0, n1 > g0: Promise 3.2/0#1
";

/// The first attempt of g0 reaches n0 only, g1 builds on it, and then g0 tries again.
pub const RECENT: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g0 > n0: Accept
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0, n1: Accept; n0, n1 > g1: Accepted
    g0 > n1: Accept; n1 > g0: Refuse; g0: Backoff
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g0 > n0, n1: Accept; n0, n1 > g0: Accepted
";

/// Both find their own half-done attempt, which the other one does not see.
pub const FOUND_ACCEPTED: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g0 > n0: Accept
    g1 > n1, n2: Prepare; n1, n2 > g1: Promise
    g0 > n1: Accept; n1 > g0: Refuse; g0: Backoff; g0 > n0, n1: Prepare; n0, n1 > g0: Promise
    g1 > n2: Accept; g1 > n1: Accept; n1 > g1: Refuse; g1: Backoff; g1 > n1, n2: Prepare
    n1, n2 > g1: Promise
";

/// A create is refused for what only one node holds.
pub const REFUSAL_ACCEPTED: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g0 > n0: Accept
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise
    g1 > n1, n2: Prepare; n1, n2 > g1: Promise
";

/// A swap builds upon a half-done write, is refused because of what was there before it, and
/// happens.
pub const REFUSAL_OF_ALL: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g0 > n0: Accept
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0: Accept
    g0 > n1: Accept; n1 > g0: Refuse; g0: Backoff; g0 > n1: Prepare
    g1 > n1: Accept; n1 > g1: Refuse; g1: Backoff; g1 > n1, n2: Prepare; n1, n2 > g1: Promise
    g1 > n0, n1: Read; n0, n1 > g1: Vote; g1: Resend
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0, n1: Accept; n0, n1 > g1: Accepted
";

/// n2 misses the delete, and n0 purges.
pub const PURGE_ALL: &str = "
    g0 > n0, n1, n2: Prepare; n0, n1 > g0: Promise; g0 > n0, n1, n2: Accept; n0, n1 > g0: Accepted
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0, n1: Accept; n0, n1 > g1: Accepted
    n0: Sweep; n0 > n1: Sweep; n1 > n0: Held
    g1 > n0, n2: Read; n0, n2 > g1: Vote; g1: Resend; g1 > n0, n2: Prepare; n0, n2 > g1: Promise
    g1 > n0, n2: Accept; n0, n2 > g1: Accepted
";

/// n1 and n2 have promised a ballot of g1, forget that with the tombstone, and accept a lower one
/// of g0.
pub const PURGE_PROMISE: &str = "
    g1 > n1, n2: Prepare; n1, n2 > g1: Promise; n1, n2: Sweep; n1 > n0, n2: Sweep
    n2 > n0, n1: Sweep
    n0, n2 > n1: Held; n0, n1 > n2: Held       // both purge
    g0 > n1, n2: Prepare; n1, n2 > g0: Promise; g0 > n1, n2: Accept; n1, n2 > g0: Accepted
    g1 > n1, n2: Accept; n1, n2 > g1: Accepted
";

/// Duplicates of the put come when the delete was purged.
pub const BALLOT_FLOOR: &str = "
    g0 > n1, n2: Prepare; n1, n2 > g0: Promise; g0 > n1, n2: Accept; n1, n2 > g0: Accepted
    g1 > n1, n2: Prepare; n1, n2 > g1: Promise; g1 > n0, n1, n2: Accept; n1, n2 > g1: Accepted
    n1, n2: Sweep; n1 > n0, n2: Sweep; n2 > n0, n1: Sweep
    n0, n2 > n1: Held; n0, n1 > n2: Held       // both purge
    g0 > n1, n2: Accept; g1 > n1, n2: Read; n1, n2 > g1: Vote
";

/// The retry comes when everything that could tell was purged.
pub const VERSION_FLOOR: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g0 > n0: Accept
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0, n1: Accept; n0, n1 > g1: Accepted
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0, n1, n2: Accept; n0, n1 > g1: Accepted
    g0 > n1: Accept; n1 > g0: Refuse
    n1, n2: Sweep; n1 > n0, n2: Sweep; n2 > n0, n1: Sweep
    n0, n2 > n1: Held; n0, n1 > n2: Held       // both purge
    g0: Backoff; g0 > n1, n2: Prepare; n1, n2 > g0: Promise; g0 > n1, n2: Accept
    n1, n2 > g0: Accepted
";

/// The same, but the purge was at old replicas, and the retry asks the newcomers n3 and n4.
pub const FLOORS_FETCHED: &str = "
    g0 > n0, n1: Prepare; n0, n1 > g0: Promise; g0 > n0: Accept
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0, n1: Accept; n0, n1 > g1: Accepted
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0, n1, n2: Accept; n0, n1 > g1: Accepted
    g0 > n1: Accept; n1 > g0: Refuse
    n1, n2: Sweep; n1 > n0, n2: Sweep; n2 > n0, n1: Sweep
    n0, n2 > n1: Held; n0, n1 > n2: Held       // both purge
    o0: Decide(0); o0 > n1, n2, n3, n4: Install; n3, n4 > n1, n2: Fetch; n1, n2 > n3: Rows
    n1, n2 > n4: Rows
    n3, n4 > o0: Report Stabilized; o0: Decide(1); o0 > n3, n4, g0: Install epoch: 3
    g0 > n3, n4: Prepare; n3, n4 > g0: Promise; g0 > n3, n4: Accept; n3, n4 > g0: Accepted
";

/// The second write of g1 is half done in the first epoch; that of g0 in the third has a lower
/// number.
pub const BALLOT_EPOCH: &str = "
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0, n1: Accept; n0, n1 > g1: Accepted
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0: Accept
    o0: Decide(0); o0 > n1, n2, n3: Install; n3 > n1, n2: Fetch; n1, n2 > n3: Rows
    n3 > o0: Report Stabilized
    o0: Decide(1); o0 > n0, n2, n3, g0: Install epoch: 3
    g0 > n2, n3: Prepare; n2, n3 > g0: Promise; g0 > n2, n3: Accept; n2, n3 > g0: Accepted
    g0 > n0, n2: Read; n0, n2 > g0: Vote; g0: Resend; g0 > n0, n2: Prepare; n0, n2 > g0: Promise
    g0 > n0, n2: Accept; n0, n2 > g0: Accepted
";

/// g1 knows nothing of the new ring.
pub const EPOCH_CHECK: &str = "
    o0: Decide(0); o0 > n1, n2, n3: Install; n3 > n1, n2: Fetch; n1, n2 > n3: Rows
    n3 > o0: Report Stabilized
    o0: Decide(1); o0 > n2, n3, g0: Install epoch: 3
    g0 > n2, n3: Prepare; n2, n3 > g0: Promise; g0 > n2, n3: Accept; n2, n3 > g0: Accepted
    g1 > n0, n1: Prepare; n0, n1 > g1: Promise; g1 > n0, n1: Accept; n0, n1 > g1: Accepted
";

/// A write is accepted by the new ring, which is then given up.
pub const QUORUM_JOINT: &str = "
    o0: Decide(0); o0 > n1, n2, n3, g0: Install; n3 > n1, n2: Fetch; n1, n2 > n3: Rows
    g0 > n2, n3: Prepare; n2, n3 > g0: Promise; g0 > n2, n3: Accept; n2, n3 > g0: Accepted
    o0: Decide(1); o0 > n0, n1, g0: Install epoch: 3
    g0 > n0, n1: Read; n0, n1 > g0: Vote
";

/// The newcomer asks the one old replica that has missed the value.
pub const FETCH_MAJORITY: &str = "
    o0: Decide(0); o0 > n2, n3: Install; n3 > n2: Fetch; n2 > n3: Rows; n3 > o0: Report Stabilized
    o0: Decide(1); o0 > n2, n3, g0: Install epoch: 3
    g0 > n2, n3: Read; n2, n3 > g0: Vote
";

/// The newcomer has fetched nothing.
pub const REPORTS_AWAITED: &str = "
    o0: Decide(0); o0: Decide(1); o0 > n2, n3, g0: Install epoch: 3; g0 > n2, n3: Read
    n2, n3 > g0: Vote
";

/// n3 holds what was deleted, and purged, while it was away.
pub const FETCH_FORGETS: &str = "
    o0: Decide(0); o0 > n1, n2, n3: Install; n3 > n1, n2: Fetch; n1, n2 > n3: Rows
    n3 > o0: Report Stabilized
    o0: Decide(1); o0 > n2, n3, g0: Install epoch: 3
    g0 > n2, n3: Read; n2, n3 > g0: Vote; g0: Resend; g0 > n2, n3: Prepare; n2, n3 > g0: Promise
    g0 > n2, n3: Accept; n2, n3 > g0: Accepted
";

/// n3 fetches, a write happens without it, and the next view has it again, with n0, which missed
/// it.
pub const FETCH_EACH_VIEW: &str = "
    o0: Decide(0); o0 > n1, n2, n3, g0: Install; n3 > n1, n2: Fetch; n1, n2 > n3: Rows
    g0 > n1, n2: Prepare; n1, n2 > g0: Promise; g0 > n1, n2: Accept; n1, n2 > g0: Accepted
    o0: Decide(1); o0 > n0, n3: Install epoch: 3; n3 > o0: Report Stabilized { epoch: 3
    o0: Decide(2); o0 > n0, n3, g0: Install epoch: 4
    g0 > n0, n3: Read; n0, n3 > g0: Vote
";

/// The newcomer says that it has everything, and votes, and has nothing.
pub const FETCH_THEN_VOTE: &str = "
    o0: Decide(0); o0 > n3: Install; n3 > o0: Report Stabilized
    o0: Decide(1); o0 > n2, n3, g0: Install epoch: 3; g0 > n2, n3: Read; n2, n3 > g0: Vote
";
