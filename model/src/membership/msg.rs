//! What members say to each other, and to the coordinator beside them.

use super::Rumour;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::BTreeSet;

/// Which question of which start an answer belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Number {
    /// The incarnation with which the asker started.
    pub start: u64,
    /// The period of the question.
    pub round: u64,
}

/// What members say to each other, and to a coordinator; the [module's table](super) tells who to whom.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Msg {
    /// When a member speaks to another one.
    Gossip {
        /// What it is about.
        say: Say,
        /// The sender's own row, what it knows of the receiver, and some news.
        news: Vec<Rumour>,
    },
    /// When the nodes that are gone have changed, and now and then while there are any.
    Report {
        /// All that are gone.
        gone: BTreeSet<Id>,
    },
    /// When the operator takes the member out of the ring. Only from itself.
    Leave,
}

/// What a member speaks to another one about.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Say {
    /// When somebody wants to know whether the receiver is alive.
    Ping {
        /// Who wants to know: the sender, or the one for whom it asks.
        origin: Id,
        /// Of the question.
        number: Number,
    },
    /// When a question was not answered: to others, who are to ask too.
    Seek {
        /// Whom to ask.
        target: Id,
        /// Of the question.
        number: Number,
    },
    /// When somebody was asked, or has an answer to pass on.
    Ack {
        /// Who wanted to know.
        origin: Id,
        /// Who is alive.
        target: Id,
        /// Of the question.
        number: Number,
    },
    /// When it is time to compare a part of two tables.
    Compare {
        /// The incarnation with which the sender started.
        start: u64,
        /// The first member of the part.
        from: Id,
        /// The first member behind it; none at the end of the table.
        until: Option<Id>,
        /// Of the sender's rows in there.
        digest: u64,
    },
    /// When the receiver's part is the same.
    Same {
        /// Of the question.
        start: u64,
        /// Of the question.
        until: Option<Id>,
    },
    /// When it is not.
    Rows {
        /// Of the question.
        start: u64,
        /// Of the question.
        from: Id,
        /// The end of these rows, which may be before that of the question.
        until: Option<Id>,
        /// All rows in there, without suspicions.
        rows: Vec<Rumour>,
    },
    /// When somebody lacks rows, or is suspected, or was wrong to suspect.
    Tell {
        /// The rows that the receiver lacks.
        rows: Vec<Rumour>,
    },
}

impl Say {
    /// The rows that this is about.
    pub fn rows(&self) -> &[Rumour] {
        match self {
            Say::Rows { rows, .. } | Say::Tell { rows } => rows,
            _ => &[],
        }
    }
}
