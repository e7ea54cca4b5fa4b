//! Traces: every step of a process's actors, and the replay that holds them to it.
//!
//! A trace records, for each step of an actor, the event, what the handler put out, and a digest of
//! the state after it: of the volatile part, and of the [`Position`] of the store, which is itself
//! a digest of every write ever made to it. (What is too large to be in each digest is for
//! [`Traced`] to say: a difference in it shows in a later one, or in the outputs.) A [`replay`]
//! makes the same actor values from what the trace's header says of the process, gives them the
//! same events, and must see the same outputs and digests, step by step. Across the files of
//! several processes it also checks that every message which one traced actor received from another
//! had been sent by it. That is what "the code that was checked is the code that runs" means here,
//! and it keeps handlers deterministic.
//!
//! Steps are written before the batch that they belong to is committed or released, so the trace of
//! a killed node lacks no step whose effects were seen. It may end in the middle of a record; such
//! an end is ignored, and a restart writes in its place. Damage anywhere else is refused.
//!
//! # Format
//!
//! A record is a length and a CRC-32 (each four bytes, little endian), then so many bytes: a record
//! in the [`codec`]'s form. A node's run is a header, then for each of its actors the rows of its
//! store and its steps. A trace begins with a copy of the stores, and is as large as what was said:
//! it is made on demand.

mod frames;
mod replay;

pub use replay::{ReplayError, Replayed, about, replay};

use crate::codec;
use crate::driver::{CommandOf, Event, Step};
use crate::store::{LmdbStore, Position};
use chainring_store::OrderedKey;
use frames::{Frames, Rest, write};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Command, Id};
use std::borrow::Cow;
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::hash::Hash;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The format of traces that this version writes and reads.
const FORMAT: u32 = 2;

/// About how many bytes of a store go into one record.
const ROWS_BYTES: usize = 1 << 20;

/// What a trace has to know of the actors that it is of. They choose nothing at random, and their
/// storage is a [`LmdbStore`].
pub trait Traced: Sized {
    /// The keys of their stores.
    type Key: OrderedKey;
    /// The rows of their stores.
    type Row: Serialize + DeserializeOwned;
    /// What they say to each other.
    type Msg: Clone + Debug + Eq + Hash + Serialize + DeserializeOwned + 'static;
    /// Their timers.
    type Timer: Copy + Debug + Eq + Hash + Serialize + DeserializeOwned + 'static;
    /// Their states.
    type State: Clone + Debug + Hash + PartialEq + 'static;
    /// The actors.
    type Actor: Actor<
            Msg = Self::Msg,
            Timer = Self::Timer,
            State = Self::State,
            Storage = LmdbStore<Self::Key, Self::Row>,
            Random = (),
        >;

    /// Of the state after an actor's step of this number, counted from its start. What is large may
    /// be left out of most.
    fn digest(state: &Self::State, step: u64) -> u64;

    /// The state of an actor that does not run.
    fn stopped() -> Self::State;

    /// The actors of a process, made anew from its number and what its header says of it.
    ///
    /// # Errors
    /// Why there are none: a sentence.
    fn actors(process: u32, about: &str) -> Result<Vec<(Id, Self::Actor)>, String>;
}

#[derive(Deserialize, Serialize)]
enum Record<'a, Msg: Clone, Timer> {
    /// A process has started, of which this is said.
    Header { format: u32, process: u32, about: Cow<'a, str> },
    /// Some rows of an actor's store, before its first step.
    Rows { id: Id, rows: Vec<(Vec<u8>, Vec<u8>)> },
    /// An actor has made a step.
    Step {
        id: Id,
        now: Duration,
        event: Cause<'a, Msg, Timer>,
        out: Vec<Output<'a, Msg, Timer>>,
        state: u64,
    },
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum Cause<'a, Msg: Clone, Timer> {
    Start { position: Option<Position> },
    Deliver { src: Id, msg: Cow<'a, Msg> },
    Timeout { timer: Timer },
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
enum Output<'a, Msg: Clone, Timer> {
    Send { dst: Id, msg: Cow<'a, Msg> },
    Set { timer: Timer, from: Duration, to: Duration },
    Cancel { timer: Timer },
    Save { position: Position },
}

type StoreOf<P> = LmdbStore<<P as Traced>::Key, <P as Traced>::Row>;
type RecordOf<'a, P> = Record<'a, <P as Traced>::Msg, <P as Traced>::Timer>;
type CauseOf<'a, P> = Cause<'a, <P as Traced>::Msg, <P as Traced>::Timer>;
type OutputOf<'a, P> = Output<'a, <P as Traced>::Msg, <P as Traced>::Timer>;

/// A header, which is the same in the traces of all protocols.
type Header = Record<'static, (), ()>;

/// A trace that a node's actors write to. Clones are the same file.
#[derive(Clone)]
pub struct TraceFile(Arc<Mutex<File>>);

impl TraceFile {
    /// Opens a trace to write behind its last whole record, and says which process is starting, and
    /// what it is to be made anew from.
    ///
    /// # Errors
    /// When the file cannot be opened, read or written.
    pub fn append(path: &Path, process: u32, about: &str) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).append(true).create(true).truncate(false).open(path)?;
        let mut frames = Frames::of(file.try_clone()?)?;
        let mut first = true;
        while let Some(frame) = frames.next()? {
            let header = matches!(codec::decode(&frame), Ok(Header::Header { .. }));
            if std::mem::take(&mut first) && !header {
                return Err(io::Error::other("there is something in it that is no trace"));
            }
        }
        match frames.rest() {
            Rest::Nothing | Rest::TornEnd if !first || frames.length == 0 => {
                file.set_len(frames.whole)?;
            }
            _ => return Err(io::Error::other("there is something in it that is no trace")),
        }
        let mut bytes = Vec::new();
        let about = Cow::Owned(about.to_string());
        write(&mut bytes, &Header::Header { format: FORMAT, process, about });
        let mut this = TraceFile(Arc::new(Mutex::new(file)));
        this.write_all(&bytes)?;
        Ok(this)
    }
}

impl Write for TraceFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A writer that panicked left at worst a torn record, which readers know how to ignore.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Turns an actor's steps into records.
#[derive(Debug, Default)]
pub struct Tracer {
    steps: u64,
}

impl Tracer {
    /// Appends the records of a step.
    pub fn step<P: Traced>(&mut self, step: &Step<'_, P::Actor>, trace: &mut Vec<u8>) {
        let id = step.id;
        let event = match step.event {
            Event::Start { storage } => {
                for rows in storage.iter().flat_map(chunks::<P>) {
                    write(trace, &RecordOf::<P>::Rows { id, rows });
                }
                CauseOf::<P>::Start { position: storage.as_ref().map(StoreOf::<P>::position) }
            }
            Event::Deliver { src, msg } => Cause::Deliver { src: *src, msg: Cow::Borrowed(msg) },
            Event::Timeout { timer } => Cause::Timeout { timer: *timer },
            Event::Random { random: () } => return, // no system's actors choose anything
        };
        let out = step.out.iter().filter_map(output::<P>).collect();
        self.steps += 1;
        let state = P::digest(step.state, self.steps);
        write(trace, &RecordOf::<P>::Step { id, now: step.now, event, out, state });
    }
}

/// The rows of a store in pieces of about [`ROWS_BYTES`].
fn chunks<P: Traced>(store: &StoreOf<P>) -> impl Iterator<Item = Vec<(Vec<u8>, Vec<u8>)>> {
    let mut rows = store.dump().peekable();
    std::iter::from_fn(move || {
        rows.peek()?;
        let (mut piece, mut bytes) = (Vec::new(), 0);
        while bytes < ROWS_BYTES
            && let Some((key, row)) = rows.next()
        {
            bytes += key.len() + row.len();
            piece.push((key, row));
        }
        Some(piece)
    })
}

fn output<P: Traced>(command: &CommandOf<P::Actor>) -> Option<OutputOf<'_, P>> {
    Some(match command {
        Command::Send(dst, msg) => Output::Send { dst: *dst, msg: Cow::Borrowed(msg) },
        Command::SetTimer(timer, range) => {
            Output::Set { timer: *timer, from: range.start, to: range.end }
        }
        Command::CancelTimer(timer) => Output::Cancel { timer: *timer },
        Command::Save(store) => Output::Save { position: store.position() },
        Command::ChooseRandom(..) => return None,
    })
}
