//! Large messages on their way out.
//!
//! A message that does not fit a datagram goes out as fragments, a window of them at a time for
//! each peer. The receiver says what has arrived, and only what is missing is sent again: at once,
//! when later fragments have arrived well before it, or after a silence that doubles each time. A
//! message is kept until all of it is acknowledged or its time is up; then it is a lost message
//! like any other.
//!
//! The window is per peer and not per message, in bytes: it is what keeps a burst from overrunning
//! the receiver's socket buffer. Messages share it in the order in which they came, but short ones
//! overtake long ones: a window that is full of values of 1 MiB would otherwise hold up what hardly
//! exceeds a datagram. A long one that has waited for [`OVERTAKES`] of its time is not overtaken
//! any more.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stateright::actor::Id;

use super::counters::{Tally, add};
use super::wire::{self, Acknowledgement, Fragment, Kind};

/// A fragment is taken for lost when this many that were sent after it have arrived.
const OVERTAKEN: u64 = 16;
/// A message of so many bytes overtakes longer ones.
const SHORT: usize = 64 << 10;
/// For which part of its time a long message lets short ones overtake it: a quarter.
const OVERTAKES: u32 = 4;
/// The longest silence before what is missing is sent again.
const LONGEST_SILENCE: Duration = Duration::from_millis(500);

/// The sizes that matter here.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub cluster: u64,
    /// Bytes of a fragment.
    pub fragment: u16,
    /// Bytes in flight to one peer.
    pub window: usize,
    /// Bytes of all messages that are kept.
    pub kept: usize,
    /// How long a message is kept.
    pub patience: Duration,
    /// The shortest silence before what is missing is sent again.
    pub repeat: Duration,
}

/// All large messages that are on their way out. Invariant: `kept` is the sum of their lengths.
pub(super) struct Large {
    limits: Limits,
    nonce: u64,
    started: u64,
    kept: usize,
    peers: HashMap<SocketAddr, Peer>,
    datagram: Vec<u8>,
}

/// Invariant: `in_flight` is the sum of the fragments that are in the `flying` of its messages.
struct Peer {
    messages: VecDeque<Message>,
    in_flight: usize,
    /// How many fragments were sent to this peer so far.
    sent: u64,
    /// The time that an acknowledgement takes, smoothed.
    round_trip: Duration,
    silence: Duration,
    /// When something was last acknowledged, or sent into silence.
    heard: Instant,
}

/// Invariants: every place below `next` is acknowledged, in `flying` or in `missing`.
struct Message {
    whole: Fragment,
    bytes: Vec<u8>,
    born: Instant,
    /// The first place that was never sent.
    next: u32,
    flying: Vec<Flying>,
    missing: Vec<u32>,
}

struct Flying {
    place: u32,
    /// How many the peer had been sent before.
    order: u64,
    at: Instant,
    /// Whether it was sent before, so that its acknowledgement does not tell the round trip.
    again: bool,
}

impl Large {
    pub fn new(limits: Limits, nonce: u64) -> Self {
        Self { limits, nonce, started: 0, kept: 0, peers: HashMap::new(), datagram: Vec::new() }
    }

    /// Takes a message and sends as much of it as the window allows. One that is on its way
    /// already, to the same actor with the same bytes, is not taken again: protocols repeat what
    /// they hear nothing of, and a large message takes its time.
    pub fn start(
        &mut self,
        to: SocketAddr,
        (src, dst): (Id, Id),
        bytes: Vec<u8>,
        now: Instant,
        counters: &Tally,
        send: &mut dyn FnMut(&[u8], SocketAddr),
    ) {
        let checksum = crc32fast::hash(&bytes);
        let under_way = |message: &Message| {
            let Fragment { src: from, dst: to, checksum: sum, .. } = message.whole;
            (from, to, sum) == (src, dst, checksum) && message.bytes == bytes
        };
        if self.peers.get(&to).is_some_and(|peer| peer.messages.iter().any(under_way)) {
            return;
        }
        if self.kept + bytes.len() > self.limits.kept {
            add(&counters.large_given_up, 1);
            return;
        }
        self.kept += bytes.len();
        let whole = Fragment {
            src,
            dst,
            nonce: self.nonce,
            number: self.started,
            // The caller checks the length against a limit far below 4 GiB.
            total: bytes.len() as u32,
            checksum,
            size: self.limits.fragment,
            place: 0,
        };
        self.started += 1;
        let peer = self.peers.entry(to).or_insert_with(|| Peer {
            messages: VecDeque::new(),
            in_flight: 0,
            sent: 0,
            round_trip: Duration::ZERO,
            silence: self.limits.repeat,
            heard: now,
        });
        if peer.messages.is_empty() {
            peer.heard = now;
        }
        let lets_by = |message: &Message| {
            let waited = now.saturating_duration_since(message.born);
            message.bytes.len() > SHORT && waited < self.limits.patience / OVERTAKES
        };
        let overtakes = bytes.len() <= SHORT;
        let place = overtakes.then(|| peer.messages.iter().position(lets_by)).flatten();
        let message =
            Message { whole, bytes, born: now, next: 0, flying: Vec::new(), missing: Vec::new() };
        peer.messages.insert(place.unwrap_or(peer.messages.len()), message);
        peer.pump(to, &self.limits, &mut self.datagram, now, counters, send);
    }

    /// Takes an acknowledgement, and sends what it makes room for.
    pub fn acknowledged(
        &mut self,
        from: SocketAddr,
        acknowledgement: &Acknowledgement<'_>,
        now: Instant,
        counters: &Tally,
        send: &mut dyn FnMut(&[u8], SocketAddr),
    ) {
        if acknowledgement.nonce != self.nonce {
            return;
        }
        let Some(peer) = self.peers.get_mut(&from) else {
            return;
        };
        let number = acknowledgement.number;
        let Some(at) = (peer.messages.iter()).position(|message| message.whole.number == number)
        else {
            return;
        };
        let message = &mut peer.messages[at];
        if acknowledgement.below >= message.whole.count() {
            let flying = message.flying_bytes();
            peer.in_flight -= flying;
            self.kept -= message.bytes.len();
            peer.messages.remove(at);
            peer.hear(now, &self.limits);
        } else {
            let (mut heard, mut newest) = (false, 0);
            let mut landed = 0;
            let mut round_trip = None;
            let whole = message.whole;
            message.flying.retain(|flying| {
                let covered = acknowledgement.covers(flying.place);
                if covered {
                    heard = true;
                    landed += length(&whole, flying.place);
                    // What was sent twice may have arrived at the first time: it tells neither the
                    // round trip nor that something sent in between was overtaken.
                    if !flying.again {
                        newest = newest.max(flying.order);
                        round_trip = Some(now.saturating_duration_since(flying.at));
                    }
                }
                !covered
            });
            message.missing.retain(|place| !acknowledgement.covers(*place));
            if heard {
                message.flying.retain(|flying| {
                    let overtaken = flying.order + OVERTAKEN < newest;
                    if overtaken {
                        landed += length(&whole, flying.place);
                        message.missing.push(flying.place);
                    }
                    !overtaken
                });
                peer.in_flight -= landed;
                if let Some(round_trip) = round_trip {
                    peer.round_trip = (peer.round_trip * 7 + round_trip) / 8;
                }
                peer.hear(now, &self.limits);
            }
        }
        peer.pump(from, &self.limits, &mut self.datagram, now, counters, send);
    }

    /// Gives up what is too old and repeats what was met with silence.
    pub fn tick(
        &mut self,
        now: Instant,
        counters: &Tally,
        send: &mut dyn FnMut(&[u8], SocketAddr),
    ) {
        for (to, peer) in &mut self.peers {
            let (kept, in_flight) = (&mut self.kept, &mut peer.in_flight);
            peer.messages.retain(|message| {
                let keep = now.saturating_duration_since(message.born) < self.limits.patience;
                if !keep {
                    *kept -= message.bytes.len();
                    *in_flight -= message.flying_bytes();
                    add(&counters.large_given_up, 1);
                }
                keep
            });
            if peer.in_flight > 0 && now.saturating_duration_since(peer.heard) >= peer.silence {
                for message in &mut peer.messages {
                    let flying = message.flying.drain(..).map(|flying| flying.place);
                    message.missing.extend(flying);
                }
                peer.in_flight = 0;
                peer.silence = (peer.silence * 2).min(LONGEST_SILENCE);
                peer.heard = now;
            }
            peer.pump(*to, &self.limits, &mut self.datagram, now, counters, send);
        }
        self.peers.retain(|_, peer| !peer.messages.is_empty());
    }

    /// Whether anything is on its way out.
    pub fn is_busy(&self) -> bool {
        self.kept > 0
    }
}

impl Peer {
    /// Sends as much as the window allows, what is missing first.
    fn pump(
        &mut self,
        to: SocketAddr,
        limits: &Limits,
        datagram: &mut Vec<u8>,
        now: Instant,
        counters: &Tally,
        send: &mut dyn FnMut(&[u8], SocketAddr),
    ) {
        for message in &mut self.messages {
            loop {
                if self.in_flight >= limits.window {
                    return;
                }
                let (place, again) = match message.missing.pop() {
                    Some(place) => (place, true),
                    None if message.next < message.whole.count() => {
                        message.next += 1;
                        (message.next - 1, false)
                    }
                    None => break,
                };
                datagram.clear();
                wire::begin(datagram, Kind::Fragment, limits.cluster);
                Fragment { place, ..message.whole }.write(datagram);
                let start = place as usize * usize::from(message.whole.size);
                let length = length(&message.whole, place);
                datagram.extend_from_slice(&message.bytes[start..start + length]);
                wire::seal(datagram);
                send(datagram, to);
                add(&counters.fragments_sent, 1);
                add(&counters.fragments_repeated, u64::from(again));
                message.flying.push(Flying { place, order: self.sent, at: now, again });
                self.in_flight += length;
                self.sent += 1;
            }
        }
    }

    fn hear(&mut self, now: Instant, limits: &Limits) {
        self.heard = now;
        self.silence =
            (self.round_trip * 4).clamp(limits.repeat, LONGEST_SILENCE.max(limits.repeat));
    }
}

impl Message {
    fn flying_bytes(&self) -> usize {
        let lengths = (self.flying.iter()).map(|flying| length(&self.whole, flying.place));
        lengths.sum()
    }
}

/// How many bytes the fragment at this place has.
fn length(whole: &Fragment, place: u32) -> usize {
    let offset = place * u32::from(whole.size);
    (whole.total - offset).min(u32::from(whole.size)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAGMENT: usize = 1000;

    /// The numbers of the messages whose fragments go out, while each fragment is acknowledged at
    /// once.
    fn order(lengths: &[(usize, u64)]) -> Vec<u64> {
        let limits = Limits {
            cluster: 1,
            fragment: FRAGMENT as u16,
            window: 4 * FRAGMENT,
            kept: 1 << 24,
            patience: Duration::from_secs(4),
            repeat: Duration::from_secs(1),
        };
        let mut large = Large::new(limits, 7);
        let (begun, to) = (Instant::now(), "127.0.0.1:1".parse().unwrap());
        let counters = Tally::default();
        let mut sent = VecDeque::new();
        for (number, (length, after)) in lengths.iter().enumerate() {
            let (ids, bytes) = ((Id::from(1), Id::from(2)), vec![number as u8; *length]);
            let now = begun + Duration::from_millis(*after);
            let mut send = |datagram: &[u8], _| sent.push_back(datagram.to_vec());
            large.start(to, ids, bytes, now, &counters, &mut send);
        }
        let (mut order, mut landed) = (Vec::new(), HashMap::<u64, u32>::new());
        while let Some(datagram) = sent.pop_front() {
            let (fragment, _) = Fragment::read(&datagram[wire::HEADER..]).unwrap();
            order.push(fragment.number);
            let below = landed.entry(fragment.number).or_default();
            *below += 1;
            let Fragment { src, dst, nonce, number, .. } = fragment;
            let acknowledgement =
                Acknowledgement { src, dst, nonce, number, below: *below, bitmap: &[] };
            let mut send = |datagram: &[u8], _| sent.push_back(datagram.to_vec());
            large.acknowledged(to, &acknowledgement, begun, &counters, &mut send);
        }
        assert!(!large.is_busy());
        order
    }

    #[test]
    fn a_short_message_does_not_wait_for_long_ones() {
        let order = order(&[(1 << 20, 0), (1 << 20, 1), (5 * FRAGMENT, 2), (2 * FRAGMENT, 3)]);
        let last = |number| order.iter().rposition(|of| *of == number).unwrap();
        // Behind what was under way already; and the second short one behind the first.
        assert!(last(2) < 20 && last(2) < last(3) && last(3) < 20, "{}, {}", last(2), last(3));
        assert!(last(0) < last(1));
        assert_eq!(order.len(), 2 * (1_usize << 20).div_ceil(FRAGMENT) + 7);
    }

    #[test]
    fn a_long_message_is_not_overtaken_for_ever() {
        let order = order(&[(1 << 20, 0), (5 * FRAGMENT, 1001)]);
        let last = |number| order.iter().rposition(|of| *of == number).unwrap();
        assert!(last(0) < last(1));
    }
}
