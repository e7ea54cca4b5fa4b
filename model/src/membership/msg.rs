//! What members say to each other, and to the coordinator beside them.

use super::Rumour;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::BTreeSet;
use std::fmt::{self, Debug, Formatter};

/// Which question of which start an answer belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Number {
    /// The incarnation with which the asker started.
    pub start: u64,
    /// The period of the question.
    pub round: u64,
}

/// What members say to each other, and to a coordinator; the [module's table](super) tells which
/// actor says it to which.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Msg {
    /// When a member speaks to another one.
    Gossip(Gossip),
    /// When the nodes that are gone have changed, and now and then while there are any.
    Report(Report),
    /// When the operator takes the member out of the ring. Only from itself.
    Leave,
}

/// A member to another one: every message between two members is one of these.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Gossip {
    /// What it is about.
    pub say: Say,
    /// The sender's own row, what it knows of the receiver, and some news.
    pub news: Vec<Rumour>,
}

/// A member to the coordinator beside it, when the nodes that are gone have changed, and now and
/// then while there are any.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Report {
    /// All that are gone.
    pub gone: BTreeSet<Id>,
}

impl Debug for Msg {
    /// As the payload, which has the name of its variant.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Msg::Gossip(payload) => payload.fmt(f),
            Msg::Report(payload) => payload.fmt(f),
            Msg::Leave => f.write_str("Leave"),
        }
    }
}

/// What a member speaks to another one about.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Say {
    /// When a member wants to know whether the receiver is alive.
    Ping(Ping),
    /// When a question was not answered: to others, which are to ask too.
    Seek(Seek),
    /// When a member was asked, or has an answer to pass on.
    Ack(Ack),
    /// When it is time to compare a part of two tables.
    Compare(Compare),
    /// When the receiver's part is the same.
    Same(Same),
    /// When it is not.
    Rows(Rows),
    /// When a member lacks rows, or is suspected, or was wrong to suspect.
    Tell(Tell),
}

/// A member to another one, once a period, and again with the help of others: is it alive? The
/// answer is an [`Ack`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ping {
    /// The member that wants to know: the sender, or the one for which it asks.
    pub origin: Id,
    /// Of the question.
    pub number: Number,
}

/// A member to some others, when a third one has not answered: they are to [`Ping`] that one, too.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Seek {
    /// Which member to ask.
    pub target: Id,
    /// Of the question.
    pub number: Number,
}

/// A member to the one that has asked it, or that has asked for another; the latter passes it on.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ack {
    /// The member that wanted to know.
    pub origin: Id,
    /// The member that is alive.
    pub target: Id,
    /// Of the question.
    pub number: Number,
}

/// A member to another one, now and then: is this part of both tables the same? The answer is
/// [`Same`] or [`Rows`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Compare {
    /// The incarnation with which the sender started.
    pub start: u64,
    /// The first member of the part.
    pub from: Id,
    /// The first member behind it; none at the end of the table.
    pub until: Option<Id>,
    /// Of the sender's rows in there.
    pub digest: u64,
}

/// A member to the one that compares: the part is the same.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Same {
    /// Of the question.
    pub start: u64,
    /// Of the question.
    pub until: Option<Id>,
}

/// A member to the one that compares: the part is not the same, and this is what stands there.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Rows {
    /// Of the question.
    pub start: u64,
    /// Of the question.
    pub from: Id,
    /// The end of these rows, which may be before that of the question.
    pub until: Option<Id>,
    /// All rows in there, without suspicions.
    pub rows: Vec<Rumour>,
}

/// A member to another one that lacks rows, is suspected, or was wrong to suspect.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Tell {
    /// The rows that the receiver lacks.
    pub rows: Vec<Rumour>,
}

impl Debug for Say {
    /// As the payload, which has the name of its variant.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Say::Ping(payload) => payload.fmt(f),
            Say::Seek(payload) => payload.fmt(f),
            Say::Ack(payload) => payload.fmt(f),
            Say::Compare(payload) => payload.fmt(f),
            Say::Same(payload) => payload.fmt(f),
            Say::Rows(payload) => payload.fmt(f),
            Say::Tell(payload) => payload.fmt(f),
        }
    }
}

impl Say {
    /// The rows that this is about.
    pub fn rows(&self) -> &[Rumour] {
        match self {
            Say::Rows(Rows { rows, .. }) | Say::Tell(Tell { rows }) => rows,
            Say::Ping(_) | Say::Seek(_) | Say::Ack(_) | Say::Compare(_) | Say::Same(_) => &[],
        }
    }
}
