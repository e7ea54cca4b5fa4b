//! Log lines and announcements, which may end nothing and hold up nothing.
//!
//! A process writes its log to a file or a pipe that belongs to others. The reader of a pipe may go
//! away, or never read; the disk of a file may be full. None of this may end a process that serves,
//! nor make one of its threads wait.
//!
//! So each of the two streams, standard error and standard output, has a queue of bounded size and
//! a thread that writes. [`Line`] and [`say`] put a line into a queue and never wait. A line that
//! finds its queue full, or that cannot be written, is dropped and counted in [`lost`]. When
//! writing works again, a warning in the log says how many were lost. `INFO` says it at all times.
//!
//! At its end a process calls [`finish`], which waits for the queues, though not for long.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// How many bytes of lines wait for a stream before more are dropped.
const MOST_BYTES: usize = 1 << 20;
/// How many lines wait for a stream before more are dropped.
const MOST_LINES: usize = 4 << 10;
/// How long the end of a process waits for what was said.
const LAST_WORDS: Duration = Duration::from_secs(1);

static LOST: AtomicU64 = AtomicU64::new(0);
static ERRORS: LazyLock<Arc<Queue>> = LazyLock::new(|| start("log", || io::stderr().write_now()));
static OUTPUT: LazyLock<Arc<Queue>> = LazyLock::new(|| start("say", || io::stdout().write_now()));

/// How many lines of this process were dropped, because they could not be written.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Says a line on standard output, without waiting for it to be written.
pub fn say(line: impl Display) {
    OUTPUT.push(format!("{line}\n").into_bytes());
}

/// Says a line on standard error, without waiting for it to be written.
pub fn complain(line: impl Display) {
    ERRORS.push(format!("{line}\n").into_bytes());
}

/// The log: what is written to it goes to standard error, each `write` as one line. For a
/// `tracing` subscriber: `.with_writer(tell::log)`.
pub fn log() -> Line {
    Line(())
}

/// Waits until what was said before is written, for a second at the most.
pub fn finish() {
    let until = Instant::now() + LAST_WORDS;
    OUTPUT.drain(until);
    ERRORS.drain(until);
}

/// Lets panics speak through the log, as the usual hook would wait for a reader of standard error.
pub fn catch_panics() {
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        let trace = Backtrace::capture();
        match trace.status() {
            BacktraceStatus::Captured => complain(format_args!("thread {name}: {panic}\n{trace}")),
            _ => complain(format_args!("thread {name}: {panic}")),
        }
        if name == "main" {
            finish();
        }
    }));
}

/// A place in the log. Writing to it never fails and never waits.
#[derive(Debug)]
pub struct Line(());

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        ERRORS.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that wait for a stream.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    /// Invariant: the length of all `lines`.
    bytes: usize,
    /// Whether a line was taken and is not written yet.
    busy: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Whole at every moment in which a thread could have panicked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line, or drops and counts it: whether it took it.
    fn push(&self, line: Vec<u8>) -> bool {
        let mut waiting = self.lock();
        let bytes = waiting.bytes.saturating_add(line.len());
        if bytes > MOST_BYTES || waiting.lines.len() >= MOST_LINES {
            LOST.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        waiting.bytes = bytes;
        waiting.lines.push_back(line);
        drop(waiting);
        self.changed.notify_all();
        true
    }

    /// Waits for the next line.
    fn take(&self) -> Vec<u8> {
        let mut waiting = self.lock();
        waiting.busy = false;
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                waiting.bytes -= line.len();
                waiting.busy = true;
                return line;
            }
            self.changed.notify_all();
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until everything is written, or until a moment.
    fn drain(&self, until: Instant) {
        let mut waiting = self.lock();
        while waiting.busy || !waiting.lines.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(waiting, left);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Starts the thread that writes the lines of a queue. Where there is no thread to be had, the
/// queue fills and drops.
fn start<W: FnMut(&[u8]) -> Result<(), Unwritten> + Send + 'static>(
    name: &str,
    stream: impl FnOnce() -> W,
) -> Arc<Queue> {
    let queue = Arc::new(Queue::default());
    let (lines, write) = (Arc::clone(&queue), stream());
    // Without a thread nothing is said, which is counted, and is no reason to end either.
    let _ = thread::Builder::new().name(name.to_string()).spawn(move || speak(&lines, write));
    queue
}

/// Writes lines for ever.
fn speak(queue: &Queue, mut write: impl FnMut(&[u8]) -> Result<(), Unwritten>) {
    let mut said = 0;
    // Whether the last line that was begun has no end.
    let mut torn = false;
    loop {
        let mut line = queue.take();
        if torn {
            line.insert(0, b'\n');
        }
        match write(&line) {
            Ok(()) => torn = false,
            Err(Unwritten { begun }) => {
                torn |= begun;
                LOST.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        }
        let lost = lost();
        if lost > said {
            let lines = lost - said;
            said = lost;
            tracing::warn!(lines, lost, "lines of this log could not be written, and are lost");
        }
    }
}

/// A line that could not be written.
struct Unwritten {
    /// Whether a part of it was.
    begun: bool,
}

/// A stream that can be written to without its lock, which others may hold while they wait.
trait WriteNow: AsFd + Send + Sized + 'static {
    fn write_now(self) -> impl FnMut(&[u8]) -> Result<(), Unwritten> + Send {
        move |line| write_all(self.as_fd(), line)
    }
}

impl WriteNow for io::Stderr {}
impl WriteNow for io::Stdout {}

/// Writes a line. Waits for a reader as long as that takes, whatever the descriptor's mode.
fn write_all(fd: BorrowedFd<'_>, line: &[u8]) -> Result<(), Unwritten> {
    let mut left = line;
    while !left.is_empty() {
        match rustix::io::write(fd, left) {
            Ok(written) if written > 0 => left = &left[written..],
            Err(Errno::INTR) => {}
            // Another process that shares this pipe has chosen not to wait for it.
            Err(Errno::AGAIN) => thread::sleep(Duration::from_millis(20)),
            _ => return Err(Unwritten { begun: left.len() < line.len() }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, pipe};
    use std::os::fd::OwnedFd;

    fn to(fd: OwnedFd) -> Arc<Queue> {
        start("test", move || move |line: &[u8]| write_all(fd.as_fd(), line))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    /// A pipe that is never read holds up no thread; what fits is there when it is read after all.
    #[test]
    fn a_pipe_that_is_not_read_costs_lines_and_nothing_else() {
        let (reader, writer) = pipe().unwrap();
        let queue = to(writer.into());
        let take = |n: &usize| queue.push(format!("{n:099}\n").into_bytes());
        let taken: Vec<_> = (0..3 * MOST_LINES).filter(take).collect();
        assert!(taken.len() <= 2 * MOST_LINES, "{} lines were taken", taken.len());
        {
            let waiting = queue.lock();
            assert!(waiting.bytes <= MOST_BYTES && waiting.lines.len() <= MOST_LINES);
        }
        let lines = BufReader::new(reader).lines().take(taken.len());
        let read: Vec<usize> = lines.map(|line| line.unwrap().parse().unwrap()).collect();
        assert_eq!(read, taken);
        queue.drain(soon());
        assert!(!queue.lock().busy);
    }

    /// One huge line is refused as well.
    #[test]
    fn bytes_are_bounded_too() {
        let (reader, writer) = pipe().unwrap();
        let queue = to(writer.into());
        queue.push(vec![b'x'; MOST_BYTES + 1]);
        assert_eq!(queue.lock().bytes, 0);
        drop(reader);
    }

    #[test]
    fn a_reader_that_goes_away_and_a_full_disk_cost_lines() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        for fd in [OwnedFd::from(writer), OwnedFd::from(full)] {
            let before = lost();
            let queue = to(fd);
            queue.push(b"a line\n".to_vec());
            queue.drain(soon());
            assert!(lost() > before);
        }
    }

    /// A line of which only a part went out does not swallow the one after it.
    #[test]
    fn a_torn_line_ends_before_the_next_one_begins() {
        let queue = Arc::new(Queue::default());
        let out = Arc::new(Mutex::new(Vec::new()));
        let (lines, written, mut calls) = (Arc::clone(&queue), Arc::clone(&out), 0);
        thread::spawn(move || {
            speak(&lines, |line| {
                calls += 1;
                let part = if calls == 1 { &line[..2] } else { line };
                written.lock().unwrap().extend_from_slice(part);
                if calls == 1 { Err(Unwritten { begun: true }) } else { Ok(()) }
            })
        });
        queue.push(b"first\n".to_vec());
        queue.push(b"second\n".to_vec());
        queue.drain(soon());
        assert_eq!(*out.lock().unwrap(), b"fi\nsecond\n");
    }
}
