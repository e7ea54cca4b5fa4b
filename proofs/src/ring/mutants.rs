//! Runs of the ring that show what goes wrong without a mechanism, where searching for one would
//! take long.
//!
//! The other mutants of the ring are searched for, with the reductions that the ring itself is
//! explored with. Every schedule is also followed in the intact protocol, where it gets stuck, or
//! nothing falls.

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

/// n3 fetches, a write happens without it, and the next view has it again, with n0, which missed
/// it.
pub const FETCH_EACH_VIEW: &str = "
    o0: Decide(0); o0 > n1, n2, n3, g0: Install; n3 > n1, n2: Fetch; n1, n2 > n3: Rows
    g0 > n1, n2: Prepare; n1, n2 > g0: Promise; g0 > n1, n2: Accept; n1, n2 > g0: Accepted
    o0: Decide(1); o0 > n0, n3: Install epoch: 3; n3 > o0: Report Stabilized { epoch: 3
    o0: Decide(2); o0 > n0, n3, g0: Install epoch: 4
    g0 > n0, n3: Read; n0, n3 > g0: Vote
";
