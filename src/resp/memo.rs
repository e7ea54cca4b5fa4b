//! What a door remembers for `INFO`, from one time that it is asked for to the next.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Over how long operations a second are counted at least.
const SPAN: Duration = Duration::from_secs(1);

/// What a door remembers for `INFO`.
#[derive(Debug)]
pub(super) struct Memo {
    /// Of this start.
    run: String,
    pub(super) counted: watch::Sender<Option<Count>>,
    rate: Mutex<Rate>,
}

/// How many keys there were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub(super) keys: u64,
    pub(super) at: Instant,
    pub(super) took: Duration,
    /// Whether another count is under way, or this one is only said to be.
    pub(super) is_counting: bool,
    /// Whether any was ever taken.
    pub(super) is_known: bool,
}

/// How many commands there were at some moment, and how many a second before that.
#[derive(Debug)]
struct Rate {
    at: Instant,
    commands: u64,
    a_second: u64,
}

impl Default for Memo {
    fn default() -> Self {
        let random = RandomState::new();
        let run = (0..3).map(|n| format!("{:016x}", random.hash_one(n))).collect::<String>();
        Memo {
            run: run[..40].to_string(),
            counted: watch::Sender::new(None),
            rate: Mutex::new(Rate { at: Instant::now(), commands: 0, a_second: 0 }),
        }
    }
}

impl Memo {
    /// What this start is called, by 40 hexadecimal digits.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// How many commands a second there were lately.
    pub(super) fn commands_a_second(&self, commands: u64) -> u64 {
        let mut rate: MutexGuard<'_, Rate> =
            self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = rate.at.elapsed();
        if passed >= SPAN {
            let more = commands.saturating_sub(rate.commands);
            let a_second = (more as f64 / passed.as_secs_f64()).round() as u64;
            *rate = Rate { at: Instant::now(), commands, a_second };
        }
        rate.a_second
    }
}
