//! Runs of the chain that show what goes wrong without a mechanism, where searching for one would
//! take long.

/// The proposer's own grant has ended, and that of the other that votes has not: the two of them
/// decide, and two others' grants are a lease still.
pub const VOTES_WHILE_ITS_GRANT_LIVES: &str = "
    r1 > c1, c2: Heartbeat; c1, c2 > r1: Lease      // a lease, by a majority
    c0: Suspect(r1); c0: Drive; c0 > c1: Prepare; c1 > c0: Promise
    c0: Expire(r1)                                  // its own grant, which r1 does not count
    c0 > c1: Accept; c1 > c0: Accepted              // it votes while its grant lives
    c0 > r0: Install; g0 > r0: Request; r0 > g0: Reply
    g0 > r1: Request; r1 > g0: Reply                // and r1 has never heard of what is written
";

/// Two have voted for a view without the member; then its heartbeat comes to one of
/// them, which grants.
pub const GRANTS_AFTER_ITS_VOTE: &str = "
    c0: Suspect(r1); c0: Drive; c0 > c1: Prepare; c1 > c0: Promise
    c0, c1: Expire(r1)
    c0 > c1: Accept; c1 > c0: Accepted              // decided, rightly
    r1 > c1, c2: Heartbeat; c1, c2 > r1: Lease      // c1 has not heard of the decision, but it has voted
    c0 > r0: Install; g0 > r0: Request; r0 > g0: Reply
    g0 > r1: Request; r1 > g0: Reply
";
