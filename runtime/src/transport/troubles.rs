//! What keeps datagrams from coming through, peer by peer.
//!
//! A node that no other hears, or that hears no other, is alone; the counters say that something is
//! refused, and not whose. So each refusal and each failed send is counted for the peer that it
//! concerns, too. Peers are the addresses of the [`AddressBook`](super::AddressBook); everything
//! that comes from elsewhere is counted as one, with the address it came from last. So a stranger
//! that forges addresses fills no memory.

use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Why datagrams do not come through.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Trouble {
    /// When they are of no transport of this kind at all.
    Foreign,
    /// When they have the layout of another version.
    OtherVersion,
    /// When they carry another cluster's number.
    OtherCluster,
    /// When they break the layout or their checksum.
    Damaged,
    /// When a message in them is whole, and means nothing to this program.
    Undecodable,
    /// When their sender does not live where they came from.
    WrongSource,
    /// When the system knows no way to the peer.
    Unreachable,
    /// When the system forbids to send to it.
    Forbidden,
    /// When the network takes no datagram of that size.
    TooLong,
    /// When the system does not take them, for want of room or another reason.
    NotTaken,
}

/// What was wrong with the datagrams of, or for, one peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Troubled {
    /// The peer's address in the book; `None` for all that is not in there.
    pub peer: Option<SocketAddr>,
    /// What was wrong.
    pub trouble: Trouble,
    /// How many.
    pub count: u64,
    /// Where the last one came from, or went to.
    pub last: SocketAddr,
    /// How long ago that was.
    pub ago: Duration,
}

impl Trouble {
    /// What the system's refusal to send means.
    pub(super) fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{
            AddrNotAvailable, HostUnreachable, NetworkDown, NetworkUnreachable, PermissionDenied,
        };
        const TOO_LONG: i32 = rustix::io::Errno::MSGSIZE.raw_os_error();
        // From an address of the loopback device nothing leads elsewhere.
        const NO_WAY: i32 = rustix::io::Errno::INVAL.raw_os_error();
        match error.kind() {
            HostUnreachable | NetworkDown | NetworkUnreachable | AddrNotAvailable => {
                Trouble::Unreachable
            }
            PermissionDenied => Trouble::Forbidden,
            _ if error.raw_os_error() == Some(NO_WAY) => Trouble::Unreachable,
            _ if error.raw_os_error() == Some(TOO_LONG) => Trouble::TooLong,
            _ => Trouble::NotTaken,
        }
    }

    /// Whether it befell datagrams on their way out.
    pub fn is_sending(self) -> bool {
        use Trouble::{Forbidden, NotTaken, TooLong, Unreachable};
        matches!(self, Unreachable | Forbidden | TooLong | NotTaken)
    }
}

impl Display for Trouble {
    /// After the number of datagrams.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::Foreign => "are of another program",
            Trouble::OtherVersion => "have the layout of another version",
            Trouble::OtherCluster => "carry another cluster's number, or that of other settings",
            Trouble::Damaged => "are damaged",
            Trouble::Undecodable => "have messages that this program does not know",
            Trouble::WrongSource => "do not come from their sender's address in this node's file",
            Trouble::Unreachable => "could not be sent: there is no way there",
            Trouble::Forbidden => "could not be sent: the system forbids it",
            Trouble::TooLong => "could not be sent: they are too long for the network",
            Trouble::NotTaken => "could not be sent: the system did not take them",
        })
    }
}

/// All of them. Invariant: at most one entry for each known peer and kind, and one more for each
/// kind.
#[derive(Default)]
pub(super) struct Troubles(Mutex<State>);

#[derive(Default)]
struct State {
    known: HashSet<SocketAddr>,
    entries: HashMap<(Option<SocketAddr>, Trouble), Entry>,
}

struct Entry {
    count: u64,
    last: SocketAddr,
    at: Instant,
}

impl Troubles {
    /// Only these are peers from now on.
    pub fn know(&self, peers: impl IntoIterator<Item = SocketAddr>) {
        let mut state = self.lock();
        state.known = peers.into_iter().map(plain).collect();
        let State { known, entries } = &mut *state;
        entries.retain(|(peer, _), _| peer.is_none_or(|peer| known.contains(&peer)));
    }

    /// Counts one that concerns a peer, and came from this address or went to it.
    pub fn note(&self, peer: SocketAddr, trouble: Trouble, last: SocketAddr) {
        let mut state = self.lock();
        let peer = Some(plain(peer)).filter(|peer| state.known.contains(peer));
        let at = Instant::now();
        let entry = state.entries.entry((peer, trouble)).or_insert(Entry { count: 0, last, at });
        (entry.count, entry.last, entry.at) = (entry.count.saturating_add(1), last, at);
    }

    /// What there is, in the order of peers and kinds.
    pub fn all(&self) -> Vec<Troubled> {
        let state = self.lock();
        let entries = state.entries.iter().map(|((peer, trouble), entry)| Troubled {
            peer: *peer,
            trouble: *trouble,
            count: entry.count,
            last: entry.last,
            ago: entry.at.elapsed(),
        });
        let mut all: Vec<_> = entries.collect();
        all.sort_by_key(|entry| (entry.peer.is_none(), entry.peer, entry.trouble));
        all
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without flow labels and scopes, which are not the same at both ends.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_counted_as_one() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let troubles = Troubles::default();
        troubles.know([at(1), at(2)]);
        for port in 1..=1000 {
            troubles.note(at(port), Trouble::Foreign, at(port));
        }
        troubles.note(at(1), Trouble::WrongSource, at(77));
        let said: Vec<_> = (troubles.all().iter())
            .map(|it| (it.peer, it.trouble, it.count, it.last.port()))
            .collect();
        let expected = [
            (Some(at(1)), Trouble::Foreign, 1, 1),
            (Some(at(1)), Trouble::WrongSource, 1, 77),
            (Some(at(2)), Trouble::Foreign, 1, 2),
            (None, Trouble::Foreign, 998, 1000),
        ];
        assert_eq!(said, expected);
        troubles.know([at(2)]);
        assert_eq!(troubles.all().len(), 2, "one that is in the book no more is forgotten");
    }

    #[test]
    fn what_the_system_says_is_told_apart() {
        use rustix::io::Errno;
        for (errno, trouble) in [
            (Errno::NETUNREACH, Trouble::Unreachable),
            (Errno::HOSTUNREACH, Trouble::Unreachable),
            (Errno::INVAL, Trouble::Unreachable),
            (Errno::PERM, Trouble::Forbidden),
            (Errno::MSGSIZE, Trouble::TooLong),
            (Errno::AGAIN, Trouble::NotTaken),
        ] {
            assert_eq!(Trouble::of(&io::Error::from(errno)), trouble, "{errno:?}");
            assert!(trouble.is_sending());
        }
    }
}
