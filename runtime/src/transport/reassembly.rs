//! Large messages on their way in.
//!
//! Nothing is allocated by a length that was sent: a message grows by the fragments that arrive.
//! What arrives in order is appended; what is ahead of a gap waits in a map. Memory is bounded per
//! peer and in total, and a fragment beyond the bound is simply not taken: its sender, which hears
//! nothing, will repeat it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stateright::actor::Id;

use super::wire::{BITMAP, Fragment};

/// What a started message costs beside its bytes, roughly; so that many tiny ones are bounded too.
const OVERHEAD: usize = 512;
/// What a fragment ahead of a gap costs beside its bytes.
const AHEAD: usize = 64;
/// How many completed messages of a peer are remembered, to acknowledge late repetitions.
const REMEMBERED: usize = 4096;

/// Names a large message of a peer: the nonce of its start, and a number.
type Name = (u64, u64);

pub(super) struct Reassembly {
    per_peer: usize,
    in_total: usize,
    patience: Duration,
    peers: HashMap<SocketAddr, Peer>,
    held: usize,
}

#[derive(Default)]
struct Peer {
    partial: HashMap<Name, Partial>,
    held: usize,
    completed: HashSet<Name>,
    in_order: VecDeque<Name>,
}

/// Invariants: `head` is the first `next` fragments; every key of `ahead` is above `next`; `held`
/// is what the bounds count.
struct Partial {
    fragment: Fragment,
    head: Vec<u8>,
    next: u32,
    ahead: BTreeMap<u32, Box<[u8]>>,
    held: usize,
    touched: Instant,
}

/// What became of a fragment.
#[derive(Debug)]
pub(super) enum Taken {
    /// It was needed, and more are.
    Kept,
    /// It was the last one: here is the message.
    Complete(Vec<u8>),
    /// It was the last one, and the whole does not fit its checksum.
    Damaged,
    /// It was there already.
    Useless,
    /// There is no room for it, or it contradicts the others of its message.
    Refused,
}

impl Reassembly {
    pub fn new(per_peer: usize, in_total: usize, patience: Duration) -> Self {
        Self { per_peer, in_total, patience, peers: HashMap::new(), held: 0 }
    }

    /// Takes one fragment, which [`Fragment::read`] has found consistent.
    pub fn take(
        &mut self,
        from: SocketAddr,
        fragment: &Fragment,
        bytes: &[u8],
        now: Instant,
    ) -> Taken {
        let name = (fragment.nonce, fragment.number);
        let peer = self.peers.entry(from).or_default();
        if peer.completed.contains(&name) {
            return Taken::Useless;
        }
        let known = peer.partial.get(&name);
        if let Some(partial) = known {
            let first = Fragment { place: fragment.place, ..partial.fragment };
            if first != *fragment {
                return Taken::Refused;
            }
            if fragment.place < partial.next || partial.ahead.contains_key(&fragment.place) {
                return Taken::Useless;
            }
        }
        let in_order = fragment.place == known.map_or(0, |partial| partial.next);
        let cost = bytes.len()
            + if known.is_none() { OVERHEAD } else { 0 }
            + if in_order { 0 } else { AHEAD };
        if peer.held + cost > self.per_peer || self.held + cost > self.in_total {
            return Taken::Refused;
        }
        peer.held += cost;
        self.held += cost;
        let partial = peer.partial.entry(name).or_insert_with(|| Partial {
            fragment: *fragment,
            head: Vec::new(),
            next: 0,
            ahead: BTreeMap::new(),
            held: 0,
            touched: now,
        });
        partial.held += cost;
        partial.touched = now;
        if in_order {
            partial.head.extend_from_slice(bytes);
            partial.next += 1;
            while let Some(bytes) = partial.ahead.remove(&partial.next) {
                partial.head.extend_from_slice(&bytes);
                partial.next += 1;
            }
        } else {
            partial.ahead.insert(fragment.place, bytes.into());
        }
        if partial.next < fragment.count() {
            return Taken::Kept;
        }
        let Some(partial) = peer.partial.remove(&name) else {
            return Taken::Kept;
        };
        peer.held -= partial.held;
        self.held -= partial.held;
        peer.remember(name);
        if crc32fast::hash(&partial.head) == fragment.checksum {
            Taken::Complete(partial.head)
        } else {
            Taken::Damaged
        }
    }

    /// What an acknowledgement of this fragment's message says now: everything below the returned
    /// place has arrived, and what is ahead is in the bitmap.
    pub fn progress(
        &self,
        from: SocketAddr,
        fragment: &Fragment,
        bitmap: &mut Vec<u8>,
    ) -> Option<u32> {
        bitmap.clear();
        let peer = self.peers.get(&from)?;
        let name = (fragment.nonce, fragment.number);
        if peer.completed.contains(&name) {
            return Some(fragment.count());
        }
        let partial = peer.partial.get(&name)?;
        for place in partial.ahead.keys() {
            let bit = (place - partial.next) as usize;
            if bit >= BITMAP * 8 {
                break;
            }
            if bitmap.len() <= bit / 8 {
                bitmap.resize(bit / 8 + 1, 0);
            }
            bitmap[bit / 8] |= 1 << (bit % 8);
        }
        Some(partial.next)
    }

    /// Forgets messages of which nothing has come for a while; says how many.
    pub fn expire(&mut self, now: Instant) -> u64 {
        let mut expired = 0;
        for peer in self.peers.values_mut() {
            peer.partial.retain(|_, partial| {
                let keep = now.saturating_duration_since(partial.touched) < self.patience;
                if !keep {
                    expired += 1;
                    peer.held -= partial.held;
                    self.held -= partial.held;
                }
                keep
            });
        }
        expired
    }

    /// Whether any message is incomplete.
    pub fn is_waiting(&self) -> bool {
        self.held > 0
    }
}

impl Peer {
    fn remember(&mut self, name: Name) {
        if self.in_order.len() == REMEMBERED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.completed.remove(&oldest);
        }
        self.in_order.push_back(name);
        self.completed.insert(name);
    }
}

/// Whose message a fragment belongs to, for the acknowledgement that goes back.
pub(super) fn answers(fragment: &Fragment) -> (Id, Id) {
    (fragment.dst, fragment.src)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "127.0.0.1:1";

    fn pieces(message: &[u8], number: u64) -> Vec<(Fragment, Vec<u8>)> {
        let whole = Fragment {
            src: Id::from(1),
            dst: Id::from(2),
            nonce: 7,
            number,
            total: message.len() as u32,
            checksum: crc32fast::hash(message),
            size: 200,
            place: 0,
        };
        let place = |(place, bytes): (usize, &[u8])| {
            let place = place as u32;
            (Fragment { place, ..whole }, bytes.to_vec())
        };
        message.chunks(200).enumerate().map(place).collect()
    }

    #[test]
    fn any_order_gives_the_message_once() {
        let message: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
        let from = FROM.parse().unwrap();
        let now = Instant::now();
        let mut rng = fastrand::Rng::with_seed(3);
        for number in 0..50 {
            let mut reassembly = Reassembly::new(20_000, 20_000, Duration::from_secs(1));
            let mut pieces = pieces(&message, number);
            pieces.extend_from_within(..10);
            rng.shuffle(&mut pieces);
            let mut complete = 0;
            for (fragment, bytes) in &pieces {
                match reassembly.take(from, fragment, bytes, now) {
                    Taken::Complete(whole) => {
                        assert_eq!(whole, message);
                        complete += 1;
                    }
                    Taken::Kept | Taken::Useless => {}
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((complete, reassembly.held), (1, 0));
            let done = reassembly.progress(from, &pieces[0].0, &mut Vec::new());
            assert_eq!(done, Some(50));
        }
    }

    #[test]
    fn memory_is_bounded_and_comes_back() {
        let message = vec![1; 10_000];
        let from = FROM.parse().unwrap();
        let now = Instant::now();
        let mut reassembly = Reassembly::new(5000, 8000, Duration::from_secs(1));
        let mut refused = 0;
        for number in 0..100 {
            for (fragment, bytes) in pieces(&message, number).iter().skip(1) {
                if matches!(reassembly.take(from, fragment, bytes, now), Taken::Refused) {
                    refused += 1;
                }
                assert!(reassembly.held <= 5000);
            }
        }
        assert!(refused > 4000);
        assert_eq!(reassembly.expire(now), 0);
        assert!(reassembly.expire(now + Duration::from_secs(2)) > 0);
        assert!(!reassembly.is_waiting());
    }

    #[test]
    fn a_damaged_whole_is_not_a_message() {
        let from = FROM.parse().unwrap();
        let mut reassembly = Reassembly::new(5000, 8000, Duration::from_secs(1));
        let mut pieces = pieces(&[1; 400], 1);
        pieces[1].1[0] = 2;
        let now = Instant::now();
        assert!(matches!(reassembly.take(from, &pieces[0].0, &pieces[0].1, now), Taken::Kept));
        assert!(matches!(reassembly.take(from, &pieces[1].0, &pieces[1].1, now), Taken::Damaged));
    }
}
