//! How far a node's comparing with its other replicas is: what `chainring status` and `INFO` say of
//! missing copies.
//!
//! The actor remembers nothing of a round (see the model's `node/repair.rs`); this is what an
//! observer sees of its steps.

use super::StepOf;
use crate::protocol::{RingProtocol, StoreOf};
use chainring_model::kv::Key;
use chainring_model::ring::msg::{Accept, Compared, Copies, Want};
use chainring_model::ring::place::position;
use chainring_model::ring::{Ballot, Msg, NodeState, Timer};
use chainring_runtime::driver::Event;
use stateright::actor::{Command, Id};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

/// How many missing keys are told apart; beyond that the count stays.
const COUNTED: usize = 100_000;

/// What comparing has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repairs {
    /// When the newest round ended.
    pub ended: Option<Instant>,
    /// How long it had taken.
    pub took: Duration,
    /// The nodes that did not answer all of it.
    pub unheard: BTreeSet<Id>,
    /// How many keys this node is behind with, as far as it knows now.
    pub behind: usize,
    /// How many registers it was given, since it started.
    pub copied: u64,
}

/// What is remembered of a round.
#[derive(Default)]
pub(super) struct Round {
    began: Option<Instant>,
    /// How many questions each other replica has not answered.
    asked: BTreeMap<Id, i64>,
    /// What others have newer, and this node has not got yet.
    missing: HashSet<Key>,
    is_told: bool,
}

impl Round {
    /// A node has made a step: what is to be shown, if that has changed.
    pub(super) fn look(
        &mut self,
        step: &StepOf<'_>,
        node: &NodeState<StoreOf<RingProtocol>>,
        known: &mut Repairs,
    ) {
        match step.event {
            Event::Timeout { timer: Timer::Repair, .. } => {
                let is_new = node.walk.from.is_none() && node.walk.again == 0;
                if is_new {
                    self.tell(known);
                    let began = node.view.is_stable().then(Instant::now);
                    *self = Round { began, ..Round::default() };
                }
            }
            Event::Deliver { src, msg: Msg::Compared(Compared { rows, .. }) } => {
                *self.asked.entry(*src).or_default() -= 1;
                // What only other keys' purges keep out is not asked for, and missing all the same.
                for row in rows.iter().flatten().filter(|row| row.is_live) {
                    let is_kept_out = row.accepted <= node.floors.ballot && {
                        let held = node.register(position(&row.key), &row.key);
                        held.accepted == Ballot::default()
                    };
                    if is_kept_out && self.missing.len() < COUNTED {
                        self.missing.insert(row.key.clone());
                    }
                }
            }
            Event::Deliver { msg: Msg::Copies(Copies { rows, .. }), .. } => {
                known.copied += rows.len() as u64;
                for row in rows {
                    self.missing.remove(&row.key);
                }
            }
            Event::Deliver { msg: Msg::Accept(Accept { key, .. }), .. }
                if !self.missing.is_empty() =>
            {
                self.missing.remove(key);
            }
            _ => return,
        }
        for command in step.out {
            match command {
                Command::Send(dst, Msg::Compare(_)) => {
                    *self.asked.entry(*dst).or_default() += 1;
                }
                Command::Send(_, Msg::Want(Want { keys, .. })) if self.missing.len() < COUNTED => {
                    self.missing.extend(keys.iter().cloned());
                }
                _ => {}
            }
        }
        known.behind = self.missing.len();
        let is_answered = self.asked.values().all(|left| *left <= 0);
        if node.walk.upto.is_none() && !node.walk.copied && is_answered && self.missing.is_empty() {
            self.tell(known);
        }
    }

    /// The round has ended, or the next one begins.
    fn tell(&mut self, known: &mut Repairs) {
        let Some(began) = self.began.filter(|_| !self.is_told) else { return };
        self.is_told = true;
        let left = self.asked.iter().filter(|(_, left)| **left > 0);
        known.unheard = left.map(|(id, _)| *id).collect();
        (known.ended, known.took) = (Some(Instant::now()), began.elapsed());
    }
}
