//! The replay of traces: every step again, by the same actors.

use super::frames::{Frames, Rest};
use super::{
    Cause, CauseOf, FORMAT, Header, Output, OutputOf, Record, RecordOf, StoreOf, Traced, output,
};
use crate::codec;
use crate::disk::Failed;
use serde::Serialize;
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::panic::{catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

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
        /// The actor that should have sent it.
        src: usize,
        /// The actor that received it.
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
    let mut seen = Seen::default();
    for (number, path) in paths.iter().enumerate() {
        seen.file::<P>(number, path)?;
    }
    seen.end(paths)
}

/// What a replay has seen so far.
#[derive(Default)]
struct Seen {
    replayed: Replayed,
    sent: HashSet<Said>,
    /// Where each message was received first: in which file, and in which of its steps.
    received: HashMap<Said, (usize, u64)>,
    traced: HashSet<Id>,
    /// How many messages of each sender were received.
    deliveries: BTreeMap<Id, u64>,
}

impl Seen {
    /// Executes the steps of one file.
    fn file<P: Traced>(&mut self, number: usize, path: &Path) -> Result<(), ReplayError> {
        let mut replay = FileReplay::<P> { path, actors: HashMap::new(), step: 0 };
        let read = |source| ReplayError::Read { path: path.to_path_buf(), source };
        let mut frames = Frames::of(File::open(path).map_err(read)?).map_err(read)?;
        let starts_before = self.replayed.starts;
        while let Some(bytes) = frames.next().map_err(read)? {
            let record: RecordOf<'static, P> = codec::decode(&bytes)
                .map_err(|error| replay.no_trace(format!("a record does not decode ({error})")))?;
            match record {
                Record::Header { format, process, about } => {
                    replay.begin(format, process, &about)?;
                    self.replayed.starts += 1;
                }
                Record::Rows { id, rows } => {
                    if let Some(actor) = replay.actors.get_mut(&id) {
                        actor.rows.extend(rows);
                    }
                }
                Record::Step { id, event, out, state, .. } => {
                    replay.step(id, &event, &out, state)?;
                    self.step::<P>((number, replay.step), id, &event, &out);
                }
            }
        }
        if self.replayed.starts == starts_before {
            return Err(replay.no_trace("it does not begin with a whole record".to_string()));
        }
        match frames.rest() {
            Rest::Nothing => {}
            Rest::TornEnd => self.replayed.torn += 1,
            Rest::Damage => {
                return Err(replay.no_trace(format!("it is damaged behind byte {}", frames.whole)));
            }
        }
        self.replayed.files += 1;
        Ok(())
    }

    /// An actor has made a step, which agreed.
    fn step<P: Traced>(
        &mut self,
        at: (usize, u64),
        id: Id,
        event: &CauseOf<'_, P>,
        out: &[OutputOf<'_, P>],
    ) {
        self.traced.insert(id);
        self.replayed.steps += 1;
        for output in out {
            if let Output::Send { dst, msg } = output {
                self.sent.insert((id, *dst, digest_of(msg)));
            }
        }
        if let Cause::Deliver { src, msg } = event {
            self.received.entry((*src, id, digest_of(msg))).or_insert(at);
            *self.deliveries.entry(*src).or_default() += 1;
        }
    }

    /// All files are read: whether each message that was received had been sent, where its sender
    /// is traced.
    fn end(mut self, paths: &[PathBuf]) -> Result<Replayed, ReplayError> {
        for (src, count) in self.deliveries {
            if self.traced.contains(&src) {
                self.replayed.received += count;
            } else {
                self.replayed.from_elsewhere += count;
            }
        }
        let unsent = self.received.iter().filter(|(said, _)| self.traced.contains(&said.0));
        let mut unsent: Vec<_> = unsent.filter(|(said, _)| !self.sent.contains(said)).collect();
        unsent.sort_by_key(|(_, at)| **at);
        match unsent.first() {
            None => Ok(self.replayed),
            Some(((src, dst, _), (file, step))) => Err(ReplayError::NotSent {
                path: paths[*file].clone(),
                step: *step,
                src: usize::from(*src),
                dst: usize::from(*dst),
            }),
        }
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
