//! File descriptors: how many a process may have, and how many of them are for clients.
//!
//! A store that cannot open a file when it grows ends its node, and a client that cannot connect is
//! only one client. So connections never take the last descriptors: a reserve is left for the
//! stores, the log and the socket.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many descriptors are kept from clients, and for each actor more.
const RESERVE: u64 = 128;
const FOR_EACH_ACTOR: u64 = 4;

/// Raises the number of descriptors that this process may have as far as it is allowed to, and says
/// what it is then; `None` if there is no limit.
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // It is allowed to any process. If it fails all the same, the limit is what it was.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    getrlimit(Resource::Nofile).current
}

/// How many of `wanted` connections fit beside the reserve of a node with so many actors, where the
/// process may have so many descriptors. At least one.
pub fn connections(wanted: usize, actors: usize, limit: Option<u64>) -> usize {
    let reserve = RESERVE + FOR_EACH_ACTOR * actors as u64;
    let room = limit.map_or(u64::MAX, |limit| limit.saturating_sub(reserve));
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_take_the_reserve() {
        assert_eq!(connections(10_000, 3, None), 10_000);
        assert_eq!(connections(10_000, 3, Some(1 << 20)), 10_000);
        assert_eq!(connections(10_000, 3, Some(1024)), 1024 - 128 - 12);
        assert_eq!(connections(10, 3, Some(1024)), 10);
        assert_eq!(connections(10_000, 3, Some(64)), 1);
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let limit = raise();
        assert_eq!(limit, getrlimit(Resource::Nofile).maximum);
    }
}
