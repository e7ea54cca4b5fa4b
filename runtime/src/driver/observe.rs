//! The way to look on: what a trace is made of.

use std::fmt;
use std::time::Duration;

use stateright::actor::{Actor, Command, Id};

/// What a handler was called for.
#[derive(Clone)]
pub enum Event<A: Actor> {
    /// When the actor starts: what its disk held.
    Start {
        /// What was loaded.
        storage: Option<A::Storage>,
    },
    /// When a message is delivered.
    Deliver {
        /// The sender.
        src: Id,
        /// The message.
        msg: A::Msg,
    },
    /// When a timer is due.
    Timeout {
        /// Which one.
        timer: A::Timer,
    },
    /// When a random choice was made.
    Random {
        /// The choice.
        random: A::Random,
    },
}

impl<A: Actor> fmt::Debug for Event<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { storage } => f.debug_struct("Start").field("storage", storage).finish(),
            Self::Deliver { src, msg } => {
                let mut f = f.debug_struct("Deliver");
                f.field("src", src).field("msg", msg).finish()
            }
            Self::Timeout { timer } => f.debug_struct("Timeout").field("timer", timer).finish(),
            Self::Random { random } => f.debug_struct("Random").field("random", random).finish(),
        }
    }
}

/// The commands of an actor, as its handlers put them out.
pub type CommandOf<A> =
    Command<<A as Actor>::Msg, <A as Actor>::Timer, <A as Actor>::Random, <A as Actor>::Storage>;

/// One step of an actor: an event, and what its handler made of it.
pub struct Step<'a, A: Actor> {
    /// Whose step.
    pub id: Id,
    /// The reading of the clock for the turn that the step belongs to.
    pub now: Duration,
    /// What the handler was called for.
    pub event: &'a Event<A>,
    /// The state after it.
    pub state: &'a A::State,
    /// What it put out, in order.
    pub out: &'a [CommandOf<A>],
}

/// Sees every step of an actor, right after its handler, on the actor's thread.
///
/// What it appends to `trace` travels with the batch and is written on the commit thread before the
/// batch is committed. So whatever became durable, and whatever left, has its step in the trace,
/// also when the process is killed; the trace may end with steps of which nothing was seen outside.
pub trait Observer<A: Actor>: Send {
    /// Called right after each handler. Appends what the trace shall hold of it, if anything.
    fn step(&mut self, step: Step<'_, A>, trace: &mut Vec<u8>);
}
