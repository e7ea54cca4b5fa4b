//! The table of commands. Each row stands in a file of its own, or of its family.
//!
//! A command's file has everything that is particular to it: its row (name, arity, flags, keys,
//! arguments, summary, what differs from Redis), how it reads its arguments, what it asks of the
//! cluster, how its reply is made, its tests. To add one, add its file and its line in
//! [`COMMANDS`]: `COMMAND`, `COMMAND DOCS`, `COMMAND GETKEYS` and COMMANDS.md read the table.

mod auth;
mod chainring;
mod client;
mod cluster;
mod command;
mod config;
mod dbsize;
pub(super) mod del;
pub(super) mod exists;
mod flush;
mod get;
mod hello;
mod incr;
pub(super) mod info;
mod keys;
pub(super) mod mget;
pub(super) mod mset;
mod ping;
mod quit;
mod reset;
mod role;
mod scan;
mod select;
mod sentinel;
mod set;
mod strlen;
mod r#type;

#[cfg(test)]
mod tests;

use super::command::Command;
use super::left_out;
use super::wire::{Reply, Words};
use super::words::printable;
use std::fmt::Write;

/// Every command.
pub(super) const COMMANDS: &[&Command] = &[
    &get::GET,
    &set::SET,
    &set::SETNX,
    &set::GETSET,
    &strlen::STRLEN,
    &incr::INCR,
    &incr::INCRBY,
    &incr::DECR,
    &incr::DECRBY,
    &mget::MGET,
    &mset::MSET,
    &del::DEL,
    &del::UNLINK,
    &exists::EXISTS,
    &r#type::TYPE,
    &scan::SCAN,
    &keys::KEYS,
    &dbsize::DBSIZE,
    &flush::FLUSHALL,
    &flush::FLUSHDB,
    &ping::PING,
    &ping::ECHO,
    &hello::HELLO,
    &auth::AUTH,
    &select::SELECT,
    &reset::RESET,
    &quit::QUIT,
    &client::CLIENT,
    &info::INFO,
    &role::ROLE,
    &cluster::CLUSTER,
    &sentinel::SENTINEL,
    &chainring::CHAINRING,
    &command::COMMAND,
    &config::CONFIG,
];

/// What a connection asked for, found in the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved {
    /// The command of the first word.
    pub(super) command: &'static Command,
    /// The same; for a container the subcommand.
    pub(super) found: &'static Command,
}

/// Finds a command and checks its arity.
///
/// # Errors
/// The reply to an unknown command or one with the wrong number of arguments, in Redis' words.
pub(super) fn resolve(words: &Words<'_>) -> Result<Resolved, Reply> {
    let name = words.first().map_or(&[][..], |name| name);
    let Some(command) = find(name) else {
        let rest = &words[words.len().min(1)..];
        return Err(left_out::reply(name, None).unwrap_or_else(|| unknown(name, rest)));
    };
    let (found, container) = match words.get(1) {
        Some(sub) if !command.subcommands.is_empty() => match command.subcommand(sub) {
            Some(found) => (found, Some(command.name)),
            None => return Err(unknown_subcommand(command, sub)),
        },
        _ => (command, None),
    };
    if !found.takes(words.len()) {
        return Err(found.wrong_arity(container));
    }
    Ok(Resolved { command, found })
}

fn find(name: &[u8]) -> Option<&'static Command> {
    COMMANDS.iter().copied().find(|command| command.is_called(name))
}

fn unknown(name: &[u8], rest: &Words<'_>) -> Reply {
    let mut shown = String::new();
    for argument in rest {
        if shown.len() >= 128 {
            break;
        }
        let longest = 128 - shown.len();
        // Writing to a string cannot fail.
        let _ = write!(shown, "'{}' ", printable(argument, longest));
    }
    let name = printable(name, 128);
    let text = format!("ERR unknown command '{name}', with args beginning with: {shown}");
    Reply::Error(text.into())
}

fn unknown_subcommand(command: &Command, sub: &[u8]) -> Reply {
    left_out::reply(sub, Some(command.name)).unwrap_or_else(|| {
        let sub = printable(sub, 128);
        let text = format!("ERR unknown subcommand '{sub}'. Try {} HELP.", command.name);
        Reply::Error(text.into())
    })
}
