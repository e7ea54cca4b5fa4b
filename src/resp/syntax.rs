//! The arguments of commands, as clients are told of them: `COMMAND DOCS`, COMMANDS.md, `HELP`.
//!
//! What is said here is not what is parsed: each command reads its words by itself.

use super::wire::Reply;
use std::borrow::Cow;

/// One argument of a command, as `COMMAND DOCS` describes it.
#[derive(Debug)]
pub(super) struct Argument {
    name: &'static str,
    kind: Kind,
    /// A word that stands before the argument, or is the whole of it.
    token: Option<&'static str>,
    optional: bool,
    many: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Key,
    Text,
    Integer,
    Pattern,
    /// A word that is there or not.
    Word,
    /// One of several.
    OneOf(&'static [Argument]),
    /// Several, together.
    Block(&'static [Argument]),
}

impl Argument {
    pub(super) const fn new(name: &'static str, kind: Kind) -> Self {
        Argument { name, kind, token: None, optional: false, many: false }
    }

    pub(super) const fn word(name: &'static str, token: &'static str) -> Self {
        Argument::new(name, Kind::Word).token(token)
    }

    pub(super) const fn token(self, token: &'static str) -> Self {
        Argument { token: Some(token), ..self }
    }

    pub(super) const fn optional(self) -> Self {
        Argument { optional: true, ..self }
    }

    pub(super) const fn many(self) -> Self {
        Argument { many: true, ..self }
    }

    /// As in the first line of a manual page.
    fn syntax(&self, out: &mut String) {
        let what = match self.kind {
            Kind::Word => "",
            Kind::OneOf(several) => &join(several, " | "),
            Kind::Block(several) => &join(several, " "),
            _ => self.name,
        };
        let token = self.token.unwrap_or_default();
        let between = if token.is_empty() || what.is_empty() { "" } else { " " };
        let mut inner = format!("{token}{between}{what}");
        if self.many {
            inner = format!("{inner} [{inner} …]");
        }
        if self.optional {
            inner = format!("[{inner}]");
        }
        out.push_str(&inner);
    }

    /// As `COMMAND DOCS` has it.
    fn docs(&self) -> Reply {
        let kind = match self.kind {
            Kind::Key => "key",
            Kind::Text => "string",
            Kind::Integer => "integer",
            Kind::Pattern => "pattern",
            Kind::Word => "pure-token",
            Kind::OneOf(_) => "oneof",
            Kind::Block(_) => "block",
        };
        let mut docs = vec![("name", Reply::text(self.name)), ("type", Reply::text(kind))];
        if matches!(self.kind, Kind::Key) {
            docs.push(("key_spec_index", Reply::Integer(0)));
        }
        if let Some(token) = self.token {
            docs.push(("token", Reply::text(token)));
        }
        let flags = [(self.optional, "optional"), (self.many, "multiple")];
        let flags: Vec<Reply> =
            flags.iter().filter(|(set, _)| *set).map(|(_, name)| simple(name)).collect();
        if !flags.is_empty() {
            docs.push(("flags", Reply::Set(flags)));
        }
        if let Kind::OneOf(several) | Kind::Block(several) = self.kind {
            let several = several.iter().map(Argument::docs).collect();
            docs.push(("arguments", Reply::Array(several)));
        }
        map(docs)
    }
}

pub(super) const KEY: Argument = Argument::new("key", Kind::Key);
pub(super) const KEYS: Argument = Argument::new("key", Kind::Key).many();
pub(super) const VALUE: Argument = Argument::new("value", Kind::Text);
pub(super) const PATTERN: Argument = Argument::new("pattern", Kind::Pattern);

/// The arguments of a command, as `COMMAND DOCS` has them.
pub(super) fn docs(arguments: &[Argument]) -> Reply {
    Reply::Array(arguments.iter().map(Argument::docs).collect())
}

/// Several arguments, one behind the other.
pub(super) fn join(arguments: &[Argument], between: &str) -> String {
    let mut joined = String::new();
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            joined.push_str(between);
        }
        argument.syntax(&mut joined);
    }
    joined
}

/// A word of Redis' own.
pub(super) fn simple(text: &'static str) -> Reply {
    Reply::Simple(Cow::Borrowed(text))
}

/// Names and what they stand for.
pub(super) fn map(pairs: Vec<(&'static str, Reply)>) -> Reply {
    Reply::Map(pairs.into_iter().map(|(name, reply)| (Reply::text(name), reply)).collect())
}
