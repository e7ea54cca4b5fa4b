//! `COMMAND`: the table of commands, told to programs and to people.
//!
//! `redis-cli` takes its hints from `COMMAND DOCS` while one types.

use super::{COMMANDS, Resolved, find, resolve};
use crate::resp::command::{Call, Command, Does, Done, HELP, LOCAL};
use crate::resp::glob::Pattern;
use crate::resp::syntax::{self, Argument, Kind, map, simple};
use crate::resp::wire::{Reply, Words};
use crate::resp::words::{SYNTAX, few};
use std::borrow::Cow;

pub(super) const COMMAND: Command = Command {
    name: "COMMAND",
    arity: -1,
    flags: LOCAL,
    group: "server",
    since: "2.8.13",
    summary: "Describes the commands.",
    differs: Some(("COMMAND", "the commands in the table below; no key specifications")),
    subcommands: &[COUNT, DOCS, INFO, GETKEYS, LIST, HELP],
    run: |_| Ok(Does::Reply(info(&[]))),
    ..Command::NEW
};

const COUNT: Command = Command {
    name: "COUNT",
    arity: 2,
    flags: LOCAL,
    group: "server",
    since: "2.8.13",
    summary: "How many commands there are.",
    run: count,
    ..Command::NEW
};

const DOCS: Command = Command {
    name: "DOCS",
    arity: -2,
    flags: LOCAL,
    group: "server",
    since: "7.0.0",
    summary: "Describes commands to people.",
    arguments: &[Argument::new("command-name", Kind::Text).optional().many()],
    run: |call| Ok(Does::Reply(docs(few(&call.words[2..])?))),
    ..Command::NEW
};

const INFO: Command = Command {
    name: "INFO",
    arity: -2,
    flags: LOCAL,
    group: "server",
    since: "2.8.13",
    summary: "Describes commands to programs.",
    arguments: &[Argument::new("command-name", Kind::Text).optional().many()],
    run: |call| Ok(Does::Reply(info(few(&call.words[2..])?))),
    ..Command::NEW
};

const GETKEYS: Command = Command {
    name: "GETKEYS",
    arity: -3,
    flags: LOCAL,
    group: "server",
    since: "2.8.13",
    summary: "Which arguments of a command are keys.",
    arguments: &[
        Argument::new("command", Kind::Text),
        Argument::new("arg", Kind::Text).optional().many(),
    ],
    run: |call| keys_of(&call.words[2..]).map(Does::Reply),
    ..Command::NEW
};

const LIST: Command = Command {
    name: "LIST",
    arity: -2,
    flags: LOCAL,
    group: "server",
    since: "7.0.0",
    summary: "The commands' names: all, or those of a category, or that match. There are no \
              modules.",
    arguments: &[Argument::new(
        "filterby",
        Kind::OneOf(&[
            Argument::new("module-name", Kind::Text).token("MODULE"),
            Argument::new("category", Kind::Text).token("ACLCAT"),
            Argument::new("pattern", Kind::Pattern).token("PATTERN"),
        ]),
    )
    .token("FILTERBY")
    .optional()],
    run: |call| list(&call.words[2..]).map(Does::Reply),
    ..Command::NEW
};

fn count(_: &mut Call<'_>) -> Done {
    Ok(Does::Reply(Reply::Integer(i64::try_from(COMMANDS.len()).unwrap_or(i64::MAX))))
}

/// `COMMAND LIST [FILTERBY …]`.
fn list(filter: &Words<'_>) -> Result<Reply, Reply> {
    let all = COMMANDS.iter().map(|command| (command.full_name(None), command));
    let chosen: Vec<_> = match filter {
        [] => all.collect(),
        [word, kind, value] if word.eq_ignore_ascii_case(b"filterby") => {
            match &kind.to_ascii_lowercase()[..] {
                b"module" => Vec::new(),
                b"aclcat" => {
                    let category = format!("@{}", String::from_utf8_lossy(value).to_lowercase());
                    all.filter(|(_, command)| command.categories().contains(&category)).collect()
                }
                b"pattern" => {
                    let pattern = Pattern::new(value)?;
                    all.filter(|(name, _)| pattern.matches(name.as_bytes())).collect()
                }
                _ => return Err(SYNTAX),
            }
        }
        _ => return Err(SYNTAX),
    };
    Ok(Reply::Array(chosen.into_iter().map(|(name, _)| Reply::text(&name)).collect()))
}

/// `COMMAND GETKEYS command [arg …]`.
fn keys_of(words: &Words<'_>) -> Result<Reply, Reply> {
    let Ok(Resolved { found, .. }) = resolve(words) else {
        return Err(Reply::error(match words.first().and_then(|name| find(name)) {
            Some(_) => "ERR Invalid number of arguments specified for command",
            None => "ERR Invalid command specified",
        }));
    };
    let (first, last, step) = found.keys;
    let place = |at: i64| usize::try_from(at).unwrap_or(usize::MAX);
    if first == 0 {
        return Err(Reply::error("ERR The command has no key arguments"));
    }
    let last = if last < 0 { words.len().saturating_sub(place(-last)) } else { place(last) };
    let keys = words.iter().take(last + 1).skip(place(first)).step_by(place(step).max(1));
    Ok(Reply::Array(keys.map(|key| Reply::Text(key.to_vec())).collect()))
}

/// `COMMAND INFO [name …]`, and `COMMAND` with no name.
fn info(names: &Words<'_>) -> Reply {
    if names.is_empty() {
        return Reply::Array(COMMANDS.iter().map(|command| command.info(None)).collect());
    }
    let found = |name: &Cow<'_, [u8]>| match find_full(name) {
        Some((command, container)) => command.info(container),
        None => Reply::Nil,
    };
    Reply::Array(names.iter().map(found).collect())
}

/// `COMMAND DOCS [name …]`; names that are not known are left out.
fn docs(names: &Words<'_>) -> Reply {
    if names.is_empty() {
        return Reply::Map(COMMANDS.iter().map(|command| command.docs(None)).collect());
    }
    let found = names.iter().filter_map(|name| find_full(name));
    Reply::Map(found.map(|(command, container)| command.docs(container)).collect())
}

/// Finds `get` and `client|id`.
fn find_full(name: &[u8]) -> Option<(&'static Command, Option<&'static str>)> {
    match name.iter().position(|byte| *byte == b'|') {
        None => find(name).map(|command| (command, None)),
        Some(bar) => {
            let container = find(&name[..bar])?;
            let sub = container.subcommand(&name[bar + 1..])?;
            Some((sub, Some(container.name)))
        }
    }
}

impl Command {
    /// The words for what kind of command it is, as access control has them.
    fn categories(&self) -> Vec<String> {
        let category = match self.group {
            "generic" => "@keyspace".to_string(),
            "server" => "@admin".to_string(),
            group => format!("@{group}"),
        };
        let mut categories = vec![category];
        for (flag, category) in [("readonly", "@read"), ("write", "@write"), ("fast", "@fast")] {
            if self.flags.contains(&flag) {
                categories.push(category.to_string());
            }
        }
        categories
    }

    /// The entry of `COMMAND` and `COMMAND INFO`.
    fn info(&self, container: Option<&str>) -> Reply {
        let (first, last, step) = self.keys;
        let categories = self.categories().into_iter();
        let categories = categories.map(|category| Reply::Simple(category.into())).collect();
        let none = || Reply::Array(Vec::new());
        Reply::Array(vec![
            Reply::text(&self.full_name(container)),
            Reply::Integer(self.arity.into()),
            Reply::Set(self.flags.iter().map(|flag| simple(flag)).collect()),
            Reply::Integer(first),
            Reply::Integer(last),
            Reply::Integer(step),
            Reply::Set(categories),
            none(),
            none(),
            Reply::Array(self.subcommands.iter().map(|sub| sub.info(Some(self.name))).collect()),
        ])
    }

    /// The entry of `COMMAND DOCS`: a name and a map.
    fn docs(&self, container: Option<&str>) -> (Reply, Reply) {
        let mut docs = vec![
            ("summary", Reply::text(self.summary)),
            ("since", Reply::text(self.since)),
            ("group", Reply::text(self.group)),
        ];
        if !self.arguments.is_empty() {
            docs.push(("arguments", syntax::docs(self.arguments)));
        }
        if !self.subcommands.is_empty() {
            let subcommands = self.subcommands.iter().map(|sub| sub.docs(Some(self.name)));
            docs.push(("subcommands", Reply::Map(subcommands.collect())));
        }
        (Reply::text(&self.full_name(container)), map(docs))
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn keys_are_found_by_the_rows() {
        assert_eq!(said("COMMAND GETKEYS GET k"), r#"Array([Text([107])])"#);
        assert_eq!(said("COMMAND GETKEYS MSET a 1 b 2"), "Array([Text([97]), Text([98])])");
        assert_eq!(said("COMMAND GETKEYS PING"), "ERR The command has no key arguments");
        let number = "ERR Invalid number of arguments specified for command";
        assert_eq!(said("COMMAND GETKEYS GET"), number);
        assert_eq!(said("COMMAND GETKEYS WAT"), "ERR Invalid command specified");
        assert_eq!(said("COMMAND LIST FILTERBY MODULE json"), "Array([])");
        assert_eq!(said("COMMAND LIST FILTERBY WAT x"), "ERR syntax error");
    }
}
