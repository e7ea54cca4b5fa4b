//! Traces: every step of a process's actors, and the replay that holds them to it.
//!
//! A trace records, for each step of an actor, the event, what the handler put out, and a digest of the
//! state after it: of the volatile part, and of the [`Position`] of the store, which is itself a digest of
//! every write ever made to it. (Tables that grow with the load, a replica's window and a gateway's lanes,
//! are in the digest of every 256th step whole, and in the others by their bounds: a difference in them
//! shows there, or in the outputs.) A [`replay`] makes the same actor values from the cluster file that the trace begins
//! with, gives them the same events, and must see the same outputs and digests, step by step. Across the
//! files of several nodes it also checks that every message which one traced actor received from another
//! had been sent by it. That is what "the code that was proved is the code that runs" means here, and it
//! keeps handlers deterministic.
//!
//! Steps are written before the batch that they belong to is committed or released, so the trace of a
//! killed node lacks no step whose effects anybody saw. It may end in the middle of a record; such an end
//! is ignored, and a restart writes in its place. Damage anywhere else is refused.
//!
//! # Format
//!
//! A record is a length and a CRC-32 (each four bytes, little endian), then so many bytes: a record in
//! the [`codec`]'s form. A node's run is a header, then for each of its actors the rows of its
//! store and its steps. A trace begins with a copy of the stores, and is as large as what was said: it is
//! made on demand.

use crate::codec;
use crate::disk::Failed;
use crate::driver::{CommandOf, Event, Step};
use crate::store::{LmdbStore, Position};
use chainring_store::OrderedKey;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Command, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Debug, Display, Formatter};
use std::fs::{File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, BufReader, Read, Write};
use std::panic::{catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

/// The format of traces that this version writes and reads.
const FORMAT: u32 = 2;

/// The longest record; a message is at most half as long.
const LONGEST_RECORD: usize = 16 << 20;

/// About how many bytes of a store go into one record.
const ROWS_BYTES: usize = 1 << 20;

/// What a trace has to know of the actors that it is of. They choose nothing at random, and their storage is a
/// [`LmdbStore`].
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

    /// Of the state after an actor's step of this number, counted from its start. What is large may be left out
    /// of most.
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
    /// Opens a trace to write behind its last whole record, and says which process is starting, and what it is to be
    /// made anew from.
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

fn write(bytes: &mut Vec<u8>, record: &impl Serialize) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 8]);
    if let Err(error) = codec::encode_into(record, bytes) {
        // Only a record beyond the codec's limit; the replay will miss the step and say so.
        tracing::error!(%error, "a step was too large for the trace");
        bytes.truncate(start);
        return;
    }
    let length = (bytes.len() - start - 8) as u32; // bounded by the codec's limit
    let crc = crc32fast::hash(&bytes[start + 8..]);
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    bytes[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

/// The whole records of a file.
struct Frames {
    reader: BufReader<File>,
    length: u64,
    /// How many bytes the whole records take so far.
    whole: u64,
    /// Whether what follows them has the length that it announces, and yet is no record.
    damaged: bool,
}

/// What stands behind the last whole record of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rest {
    /// Nothing.
    Nothing,
    /// The beginning of a record, as a killed process leaves it.
    TornEnd,
    /// Something else.
    Damage,
}

impl Frames {
    fn of(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let reader = BufReader::with_capacity(1 << 20, file);
        Ok(Frames { reader, length, whole: 0, damaged: false })
    }

    /// What stands behind the whole records, once [`next`](Self::next) has given them all.
    fn rest(&self) -> Rest {
        match (self.whole == self.length, self.damaged) {
            (true, _) => Rest::Nothing,
            (false, false) => Rest::TornEnd,
            (false, true) => Rest::Damage,
        }
    }

    /// The next record's bytes; `None` at the end, or where a record is torn.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut head = [0; 8];
        if !fill(&mut self.reader, &mut head)? {
            return Ok(None);
        }
        let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > LONGEST_RECORD {
            self.damaged = true;
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        if !fill(&mut self.reader, &mut bytes)? {
            return Ok(None);
        }
        if crc32fast::hash(&bytes) != u32::from_le_bytes([c0, c1, c2, c3]) {
            self.damaged = true;
            return Ok(None);
        }
        self.whole += 8 + length as u64;
        Ok(Some(bytes))
    }
}

/// Whether there were enough bytes left.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a replay has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Replayed {
    /// Files read.
    pub files: usize,
    /// Starts of nodes among them.
    pub starts: usize,
    /// Steps executed again; all of them agreed.
    pub steps: u64,
    /// Messages received from actors whose traces are here; all of them had been sent.
    pub received: u64,
    /// Messages received from elsewhere: front doors, and nodes whose traces are not here.
    pub from_elsewhere: u64,
    /// Files that end in a torn record, as those of killed nodes may.
    pub torn: usize,
}

impl Display for Replayed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Replayed { files, starts, steps, received, from_elsewhere, torn } = self;
        let s = |count: &usize| if *count == 1 { "" } else { "s" };
        let (of_files, of_starts, of_ends) = (s(files), s(starts), s(torn));
        let of_nodes = if *starts == 1 { "a node" } else { "nodes" };
        writeln!(
            f,
            "{files} file{of_files}, {starts} start{of_starts} of {of_nodes}, {torn} torn end{of_ends}"
        )?;
        writeln!(f, "{steps} steps executed again: all agree")?;
        write!(
            f,
            "{received} messages received from traced actors: all had been sent; \
             {from_elsewhere} from elsewhere"
        )
    }
}

/// Why a replay fails.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// When a file cannot be read.
    #[error("cannot read the trace {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// When a file is not a trace of this version.
    #[error("{} is no trace that this version reads: {what}", path.display())]
    NoTrace {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// When an actor does not do again what it did.
    #[error("{}: step {step} of actor {actor} does not agree.\n  event:    {event}\n  recorded: {recorded}\n  replayed: {replayed}", path.display())]
    Disagrees {
        /// Which file.
        path: PathBuf,
        /// Which step of the file, from 1.
        step: u64,
        /// Whose.
        actor: usize,
        /// What happened to it.
        event: String,
        /// What it made of it in the run.
        recorded: String,
        /// What it makes of it now.
        replayed: String,
    },
    /// When an actor received what its peer had not sent.
    #[error("{}: step {step}: actor {dst} received a message from actor {src} that {src} had not sent", path.display())]
    NotSent {
        /// Which file.
        path: PathBuf,
        /// Which step of the file, from 1.
        step: u64,
        /// Who should have sent it.
        src: usize,
        /// Who received it.
        dst: usize,
    },
}

/// A message as sent or received: from, to, and a digest.
type Said = (Id, Id, u64);

/// Executes the steps of these traces again.
///
/// # Errors
/// At the first step that does not agree, or message that was never sent.
pub fn replay<P: Traced>(paths: &[PathBuf]) -> Result<Replayed, ReplayError> {
    // Rows that do not decode end an actor by unwinding; here they are what is wrong with a trace.
    let replayed = catch_unwind(|| replay_all::<P>(paths));
    replayed.unwrap_or_else(|panic| match panic.downcast::<Failed>() {
        Ok(failed) => Err(ReplayError::NoTrace {
            path: paths.first().cloned().unwrap_or_default(),
            what: failed.to_string(),
        }),
        Err(panic) => resume_unwind(panic),
    })
}

/// What a trace's first header says of its process.
///
/// # Errors
/// When there is no such header.
pub fn about(path: &Path) -> Result<String, ReplayError> {
    let read = |source| ReplayError::Read { path: path.to_path_buf(), source };
    let first = Frames::of(File::open(path).map_err(read)?).and_then(|mut frames| frames.next());
    match first.map_err(read)?.map(|bytes| codec::decode(&bytes)) {
        Some(Ok(Header::Header { about, .. })) => Ok(about.into_owned()),
        _ => Err(ReplayError::NoTrace {
            path: path.to_path_buf(),
            what: "it does not begin with a whole record".to_string(),
        }),
    }
}

fn replay_all<P: Traced>(paths: &[PathBuf]) -> Result<Replayed, ReplayError> {
    let mut seen = Replayed::default();
    let mut sent: HashSet<Said> = HashSet::new();
    let mut received: HashMap<Said, (usize, u64)> = HashMap::new();
    let mut traced: HashSet<Id> = HashSet::new();
    let mut deliveries: BTreeMap<Id, u64> = BTreeMap::new();
    for (number, path) in paths.iter().enumerate() {
        let mut replay = FileReplay::<P> { path, actors: HashMap::new(), step: 0 };
        let read = |source| ReplayError::Read { path: path.clone(), source };
        let file = File::open(path).map_err(read)?;
        let mut frames = Frames::of(file).map_err(read)?;
        let starts_before = seen.starts;
        while let Some(bytes) = frames.next().map_err(read)? {
            let record: RecordOf<'static, P> = codec::decode(&bytes).map_err(|error| {
                let what = format!("a record does not decode ({error})");
                ReplayError::NoTrace { path: path.clone(), what }
            })?;
            match record {
                Record::Header { format, process, about } => {
                    replay.begin(format, process, &about)?;
                    seen.starts += 1;
                }
                Record::Rows { id, rows } => {
                    if let Some(actor) = replay.actors.get_mut(&id) {
                        actor.rows.extend(rows);
                    }
                }
                Record::Step { id, event, out, state, .. } => {
                    replay.step(id, &event, &out, state)?;
                    traced.insert(id);
                    seen.steps += 1;
                    for output in &out {
                        if let Output::Send { dst, msg } = output {
                            sent.insert((id, *dst, digest_of(msg)));
                        }
                    }
                    if let Cause::Deliver { src, msg } = &event {
                        let said = (*src, id, digest_of(msg));
                        received.entry(said).or_insert((number, replay.step));
                        *deliveries.entry(*src).or_default() += 1;
                    }
                }
            }
        }
        let no_trace = |what: String| Err(ReplayError::NoTrace { path: path.clone(), what });
        if seen.starts == starts_before {
            return no_trace("it does not begin with a whole record".to_string());
        }
        match frames.rest() {
            Rest::Nothing => {}
            Rest::TornEnd => seen.torn += 1,
            Rest::Damage => {
                return no_trace(format!("it is damaged behind byte {}", frames.whole));
            }
        }
        seen.files += 1;
    }
    for (src, count) in deliveries {
        if traced.contains(&src) {
            seen.received += count;
        } else {
            seen.from_elsewhere += count;
        }
    }
    let unsent = received.iter().filter(|(said, _)| traced.contains(&said.0));
    let mut unsent: Vec<_> = unsent.filter(|(said, _)| !sent.contains(said)).collect();
    unsent.sort_by_key(|(_, at)| **at);
    match unsent.first() {
        None => Ok(seen),
        Some(((src, dst, _), (file, step))) => Err(ReplayError::NotSent {
            path: paths[*file].clone(),
            step: *step,
            src: usize::from(*src),
            dst: usize::from(*dst),
        }),
    }
}

struct FileReplay<'a, P: Traced> {
    path: &'a Path,
    actors: HashMap<Id, ActorReplay<P>>,
    step: u64,
}

struct ActorReplay<P: Traced> {
    actor: P::Actor,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    state: Cow<'static, P::State>,
    steps: u64,
}

impl<P: Traced> FileReplay<'_, P> {
    fn no_trace(&self, what: String) -> ReplayError {
        ReplayError::NoTrace { path: self.path.to_path_buf(), what }
    }

    /// A process has started: its actors are made anew.
    fn begin(&mut self, format: u32, process: u32, about: &str) -> Result<(), ReplayError> {
        if format != FORMAT {
            return Err(self.no_trace(format!("its format is {format}, and {FORMAT} is known")));
        }
        let actors = P::actors(process, about).map_err(|why| self.no_trace(why))?;
        let actors = actors.into_iter().map(|(id, actor)| {
            let state = Cow::Owned(P::stopped());
            (id, ActorReplay { actor, rows: Vec::new(), state, steps: 0 })
        });
        self.actors = actors.collect();
        Ok(())
    }

    fn step(
        &mut self,
        id: Id,
        event: &CauseOf<'_, P>,
        recorded: &[OutputOf<'_, P>],
        recorded_state: u64,
    ) -> Result<(), ReplayError> {
        self.step += 1;
        let Some(ActorReplay { actor, rows, state, steps }) = self.actors.get_mut(&id) else {
            return Err(self.no_trace(format!("it has a step of actor {}", usize::from(id))));
        };
        let mut out = Out::new();
        match event {
            Cause::Start { position } => {
                let rows = std::mem::take(rows);
                let store = position.map(|position| StoreOf::<P>::replay_from(position, rows));
                *state = Cow::Owned(actor.on_start(id, &store, &mut out));
            }
            Cause::Deliver { src, msg } => {
                actor.on_msg(id, state, *src, msg.clone().into_owned(), &mut out);
            }
            Cause::Timeout { timer } => actor.on_timeout(id, state, timer, &mut out),
        }
        let replayed: Vec<_> = out.iter().filter_map(output::<P>).collect();
        *steps += 1;
        let replayed_state = P::digest(state, *steps);
        if replayed == recorded && replayed_state == recorded_state {
            return Ok(());
        }
        Err(ReplayError::Disagrees {
            path: self.path.to_path_buf(),
            step: self.step,
            actor: usize::from(id),
            event: shorten(format!("{event:?}")),
            recorded: shorten(format!("state {recorded_state:016x}, {recorded:?}")),
            replayed: shorten(format!("state {replayed_state:016x}, {replayed:?}")),
        })
    }
}

/// Values can be a mebibyte long.
fn shorten(text: String) -> String {
    const LONGEST: usize = 1000;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn digest_of(msg: &impl Hash) -> u64 {
    let mut hasher = Xxh3::new();
    msg.hash(&mut hasher);
    hasher.finish()
}
