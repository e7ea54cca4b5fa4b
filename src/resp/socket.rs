//! Carries bytes between a session and its socket, and says when a client has had enough time.
//!
//! A socket may wait for ever for the client's next command, or for the client to take a reply:
//! that costs little. What costs others something has a deadline: a command that was begun and does
//! not go on; a client that only sends, beyond what may wait; a turn that others wait for; a
//! listing whose client has closed.

use super::Service;
use super::budget::Account;
use super::connection::Session;
use super::shared::Limits;
use super::wire::{Protocol, Reply};
use futures_util::StreamExt;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long a connection that ends by an error may go on sending before it is cut.
pub(super) const LINGER: Duration = Duration::from_millis(500);

/// A client that has not taken a byte for so long is perhaps busy sending.
const STALL: Duration = Duration::from_millis(100);

/// For so long it may keep a turn.
const TURN: Duration = Duration::from_secs(1);

/// For so long it may take nothing with as much sent as may wait.
const OVERRUN: Duration = Duration::from_secs(5);

/// For so long keys are listed for a client that has closed its half.
const LISTING: Duration = Duration::from_secs(5);

/// A session, its socket, and when what happened last.
struct Conversation<'a, S> {
    session: Session<S>,
    input: ReadHalf<'a>,
    output: WriteHalf<'a>,
    /// How much of the session's `out` is written; the rest is kept in place, so that a slow reader
    /// costs no copying.
    written: usize,
    /// Whether the first byte of `out` is the first one of a reply.
    clean: bool,
    /// When bytes last came.
    heard: Instant,
    /// When the client last took bytes, or had none to take.
    taken: Instant,
    /// Whether what comes is dropped.
    deaf: bool,
}

/// What is due when a deadline passes.
#[derive(Clone, Copy, Debug)]
enum Due {
    Stall,
    Turn,
    Overrun,
    Unfinished,
    Listing,
    Cut,
}

/// Serves a connection until it ends.
pub(super) async fn converse<S: Service>(
    session: Session<S>,
    account: Account,
    limits: &Limits,
    stream: &mut TcpStream,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let (input, output) = stream.split();
    let now = Instant::now();
    let mut here = Conversation {
        session,
        input,
        output,
        written: 0,
        clean: true,
        heard: now,
        taken: now,
        deaf: false,
    };
    let ended = tokio::select! {
        biased;
        // Everything that it holds is dropped before the last words.
        () = account.told() => false,
        ended = here.run(&account, limits, &mut stopped) => { ended?; true }
    };
    if ended { here.end().await } else { here.evicted(limits).await }
}

impl<S: Service> Conversation<'_, S> {
    async fn run(
        &mut self,
        account: &Account,
        limits: &Limits,
        stopped: &mut watch::Receiver<()>,
    ) -> io::Result<()> {
        let (client, shared) = (self.session.client(), self.session.shared());
        loop {
            let session = &mut self.session;
            if self.written == session.out.len() {
                self.clean = session.is_between_replies();
                session.out.clear();
                session.out.shrink_to(4 << 10);
                self.written = 0;
                self.taken = Instant::now();
            }
            session.advance();
            if session.out.is_empty() && session.is_finished() {
                return Ok(());
            }
            account.note(session.weight());
            let reads = session.wants_input() || self.deaf;
            let waits = !session.running.is_empty();
            let writes = self.written < session.out.len();
            let (stoppable, paused) = (!session.closing, session.paused);
            if paused {
                tokio::task::yield_now().await;
            }
            let due = self.due(limits);
            let session = &mut self.session;
            // In this order, so that a client that takes its replies is not read ahead of.
            tokio::select! {
                biased;
                // At once, and without last words.
                () = client.killed() => return Err(io::ErrorKind::ConnectionAborted.into()),
                _ = stopped.changed(), if stoppable => session.closing = true,
                result = self.output.write(&session.out[self.written..]), if writes => {
                    match result? {
                        0 => return Err(io::ErrorKind::WriteZero.into()),
                        bytes => {
                            self.written += bytes;
                            shared.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
                        }
                    }
                    session.stalled = false;
                    self.taken = Instant::now();
                }
                Some(finished) = session.running.next(), if waits => session.finish(finished),
                // A buffer is made when there is something to put into it.
                result = self.input.readable(), if reads => {
                    result?;
                    let bytes = self.read()?;
                    shared.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
                }
                // Work for a client that has gone ends, also where nothing is read or written.
                _ = self.input.ready(Interest::ERROR), if !reads => {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                () = std::future::ready(()), if paused => {}
                due = pass(due), if due.is_some() => {
                    if self.fall_due(due, limits) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
            }
        }
    }

    /// Takes what has come: so many bytes.
    fn read(&mut self) -> io::Result<usize> {
        let mut dropped = [0; 4096];
        let result = match self.deaf {
            true => self.input.try_read(&mut dropped),
            false => self.input.try_read_buf(self.session.reader.space()),
        };
        let bytes = match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            bytes => bytes?,
        };
        if bytes == 0 {
            (self.session.ended, self.deaf) = (true, false);
        }
        self.heard = Instant::now();
        Ok(bytes)
    }

    /// What is due next, and when.
    fn due(&self, limits: &Limits) -> Option<(Instant, Due)> {
        let session = &self.session;
        let writes = self.written < session.out.len();
        let at = |holds: bool, since: Instant, after: Duration, due: Due| {
            holds.then(|| (since + after, due))
        };
        let stalls = writes && session.is_held_up() && !session.stalled;
        let keeps_turn = writes && session.keeps_turn();
        [
            at(stalls, self.taken, STALL, Due::Stall),
            at(keeps_turn, self.taken, TURN, Due::Turn),
            at(writes && session.is_overrun(), self.taken, OVERRUN, Due::Overrun),
            at(session.is_unfinished(), self.heard, limits.unfinished_time, Due::Unfinished),
            at(session.ended && session.is_listing(), self.heard, LISTING, Due::Listing),
            at(writes && session.closing, self.taken, limits.unfinished_time, Due::Cut),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(when, _)| *when)
    }

    /// Does what is due; whether the connection is to be cut.
    fn fall_due(&mut self, due: Due, limits: &Limits) -> bool {
        let session = &mut self.session;
        match due {
            Due::Stall => session.stalled = true,
            Due::Turn => session.let_go(),
            Due::Overrun => {
                session.close(format!(
                    "ERR {} bytes of commands wait, and as many of replies that were not taken: read \
                     replies while sending; nothing further is carried out",
                    limits.waiting_bytes
                ));
                // What it still sends is dropped, so that it can come to read this.
                self.deaf = true;
            }
            Due::Unfinished => session.close(format!(
                "ERR Protocol error: a command was begun and did not go on for {} s",
                limits.unfinished_time.as_secs_f32()
            )),
            Due::Listing | Due::Cut => return true,
        }
        false
    }

    /// Says goodbye.
    async fn end(mut self) -> io::Result<()> {
        self.output.shutdown().await?;
        if !self.session.ended {
            drain(&mut self.input).await;
        }
        Ok(())
    }

    /// Says why, if the client is between two replies; it may be in the middle of one.
    async fn evicted(self, limits: &Limits) -> io::Result<()> {
        let whole = self.written == 0 && self.clean
            || self.written == self.session.out.len() && self.session.is_between_replies();
        let mut error = Vec::new();
        Reply::Error(
            format!(
                "ERR all connections together held more than {} bytes, and this one the most, so it \
                 is closed: what it was doing may or may not have happened",
                limits.memory_bytes
            )
            .into(),
        )
        .encode(Protocol::Resp2, &mut error);
        let Conversation { session, mut input, mut output, .. } = self;
        drop(session);
        if whole {
            // A client that does not read will not have it.
            let _ = tokio::time::timeout(LINGER, output.write_all(&error)).await;
        }
        let _ = output.shutdown().await;
        drain(&mut input).await;
        Ok(())
    }
}

/// Closing a socket with unread bytes in it makes the other side lose what it has not read yet, the
/// error that explains the end among it. So its bytes are read and dropped for a moment.
async fn drain(input: &mut ReadHalf<'_>) {
    let mut rest = [0; 4096];
    let all = async { while input.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {} };
    let _ = tokio::time::timeout(LINGER, all).await;
}

/// Waits until something is due.
async fn pass(due: Option<(Instant, Due)>) -> Due {
    match due {
        Some((when, due)) => {
            sleep_until(when).await;
            due
        }
        None => std::future::pending().await,
    }
}
