//! A link that misbehaves on purpose.
//!
//! UDP over a loopback device loses and reorders next to nothing, so what the protocols claim about
//! loss would never be tried. A transport that is given [`Faults`] drops, doubles and delays the
//! datagrams that it *sends*, at random, from a seed. It is never in the way otherwise.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often, and how, a lossy link misbehaves. Probabilities are between 0 and 1.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// How likely a datagram is lost.
    pub drop: f64,
    /// How likely a datagram arrives twice.
    pub duplicate: f64,
    /// How likely a datagram is held back, so that later ones overtake it.
    pub delay: f64,
    /// How long it is held back.
    pub delay_for: Range<Duration>,
    /// What chance is drawn from.
    pub seed: u64,
}

/// The handle to a transport's lossy link: changes its faults, or cuts it, while it runs. Clones
/// are the same link.
#[derive(Clone)]
pub struct LossyLink(Arc<Mutex<State>>);

struct State {
    faults: Faults,
    rng: fastrand::Rng,
    cut: HashSet<SocketAddr>,
    held: BinaryHeap<Reverse<Held>>,
    held_so_far: u64,
}

/// A datagram that is held back. Ordered by when it is due, then by age.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Held {
    due: Instant,
    age: u64,
    to: SocketAddr,
    datagram: Vec<u8>,
}

impl LossyLink {
    pub(super) fn new(faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: fastrand::Rng::with_seed(faults.seed),
            faults,
            cut: HashSet::new(),
            held: BinaryHeap::new(),
            held_so_far: 0,
        })))
    }

    /// Misbehaves differently from now on. The seed is not looked at again.
    pub fn set(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Loses everything that is sent to this address from now on.
    pub fn cut(&self, to: SocketAddr) {
        self.lock().cut.insert(to);
    }

    /// Undoes [`LossyLink::cut`].
    pub fn mend(&self, to: SocketAddr) {
        self.lock().cut.remove(&to);
    }

    pub(super) fn send(
        &self,
        socket: &UdpSocket,
        datagram: &[u8],
        to: SocketAddr,
    ) -> std::io::Result<()> {
        let mut state = self.lock();
        let state = &mut *state;
        if state.cut.contains(&to) || state.rng.f64() < state.faults.drop {
            return Ok(());
        }
        let copies = 1 + u32::from(state.rng.f64() < state.faults.duplicate);
        for _ in 0..copies {
            if state.rng.f64() < state.faults.delay {
                let range = &state.faults.delay_for;
                let spread = range.end.saturating_sub(range.start);
                let delay = range.start + spread.mul_f64(state.rng.f64());
                state.held.push(Reverse(Held {
                    due: Instant::now() + delay,
                    age: state.held_so_far,
                    to,
                    datagram: datagram.to_vec(),
                }));
                state.held_so_far += 1;
            } else {
                socket.send_to(datagram, to)?;
            }
        }
        Ok(())
    }

    /// Lets go what was held back long enough.
    pub(super) fn release(&self, socket: &UdpSocket, now: Instant) {
        let mut state = self.lock();
        while let Some(Reverse(held)) = state.held.peek()
            && held.due <= now
        {
            if let Some(Reverse(held)) = state.held.pop()
                && !state.cut.contains(&held.to)
            {
                // A failure is one more loss.
                let _ = socket.send_to(&held.datagram, held.to);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
