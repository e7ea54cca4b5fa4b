//! The tests of the table, and what the tests of a command ask of it, without a connection and
//! without a cluster.

use super::{COMMANDS, Resolved, resolve};
use crate::resp::command::{Call, Does, Done, Settings};
use crate::resp::fold::Fold;
use crate::resp::job::{Answer, Job};
use crate::resp::shared::{Limits, Shared};
use crate::resp::tally::Tally;
use crate::resp::wire::{Reply, Words};
use crate::resp::{Lines, Position, ScanPage, Service};
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, Outcome, Refusal, Value};
use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};

/// No cluster.
#[derive(Clone)]
struct Nowhere;

impl Service for Nowhere {
    async fn call(&self, _: Key, _: Op, _: Reads) -> Outcome {
        Outcome::Refused(Refusal::Unavailable)
    }

    async fn scan(&self, _: Position, _: usize) -> Option<ScanPage> {
        None
    }

    async fn size(&self) -> Option<u64> {
        None
    }

    fn info(&self) -> Vec<(String, Lines)> {
        Vec::new()
    }
}

/// What a new connection, number 1, says at once: an error's text, or the reply.
pub(super) fn said(line: &str) -> String {
    match done(line) {
        Ok(Does::Reply(reply)) | Err(reply) => text(reply),
        Ok(Does::LastReply(reply)) => format!("{}, and closes", text(reply)),
        Ok(Does::Alone(_)) => "alone".to_string(),
        Ok(Does::Ask(..)) => panic!("{line} asks the cluster"),
    }
}

/// What is asked of the cluster: a line for each key.
pub(super) fn asked(line: &str) -> Vec<String> {
    let show = |(key, job): (Key, Job)| match job {
        Job::Operation(op, _) => format!("{key:?} {op:?}"),
        Job::Exchange { condition, new, .. } => format!("{key:?} Exchange {condition:?} {new:?}"),
    };
    asks(line).1.into_iter().map(show).collect()
}

/// What is said when the operations end so: an error's text, or the reply.
pub(super) fn replied(line: &str, outcomes: &[Outcome]) -> String {
    let (fold, jobs) = asks(line);
    assert_eq!(jobs.len(), outcomes.len(), "{line} is about another number of keys");
    let mut tally = Tally::new(fold, jobs.len());
    for (index, outcome) in outcomes.iter().enumerate() {
        tally.take(index, Answer::Outcome(outcome.clone()), 1 << 20);
    }
    text(tally.reply())
}

/// The outcome of a read that found this value.
pub(super) fn found(value: &str) -> Outcome {
    Outcome::Value(Value::from(value))
}

fn asks(line: &str) -> (&'static Fold, Vec<(Key, Job)>) {
    match done(line) {
        Ok(Does::Ask(fold, jobs)) => (fold, jobs),
        Err(reply) => panic!("{line} is refused: {}", text(reply)),
        Ok(_) => panic!("{line} asks nothing of the cluster"),
    }
}

fn done(line: &str) -> Done {
    let words: Vec<_> = line.split(' ').map(|word| Cow::Borrowed(word.as_bytes())).collect();
    let words: &Words<'_> = &words;
    let Resolved { command, found } = resolve(words)?;
    let shared = Shared::new(Limits::default());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 6379));
    let seat = shared.clients.seat(1, 0, (address, address));
    let (client, settings) = (&**seat, &mut Settings::default());
    (found.run)(&mut Call { command, words, client, settings, service: &Nowhere, shared: &shared })
}

fn text(reply: Reply) -> String {
    match reply {
        Reply::Error(text) => text.into_owned(),
        reply => format!("{reply:?}"),
    }
}

fn complaint(words: &str) -> Option<String> {
    let words: Vec<Cow<'_, [u8]>> =
        words.split(' ').map(|word| Cow::Borrowed(word.as_bytes())).collect();
    match resolve(&words) {
        Err(Reply::Error(text)) => Some(text.into_owned()),
        _ => None,
    }
}

#[test]
fn the_table_has_no_name_twice_and_says_something_of_each() {
    let subcommands = COMMANDS.iter().map(|command| command.subcommands.iter().collect());
    for table in std::iter::once(COMMANDS.to_vec()).chain(subcommands) {
        for command in &table {
            assert_eq!(table.iter().filter(|other| other.name == command.name).count(), 1);
            assert!(!command.summary.is_empty(), "{}", command.name);
            assert_eq!(command.name, command.name.to_ascii_uppercase());
        }
    }
}

/// What a row promises by its arity its function may rely on, and on no more.
#[test]
fn no_command_panics_at_the_fewest_words_that_its_row_allows_or_at_a_few_more() {
    for command in COMMANDS {
        let itself = (command.name.to_string(), *command);
        let subs = command.subcommands.iter();
        let subs = subs.map(|sub| (format!("{} {}", command.name, sub.name), sub));
        for (name, row) in std::iter::once(itself).chain(subs) {
            let fewest = row.arity.unsigned_abs() as usize;
            for filler in ["1", "x", "get"] {
                for more in 0..4 {
                    let given = name.split(' ').count();
                    let fillers = (fewest + more).saturating_sub(given);
                    let line = format!("{name}{}", format!(" {filler}").repeat(fillers));
                    let _ = done(&line);
                }
            }
        }
    }
}

#[test]
fn complaints_are_in_redis_words() {
    assert_eq!(complaint("get k"), None);
    assert_eq!(complaint("Client SetName x"), None);
    let arity = |name| Some(format!("ERR wrong number of arguments for '{name}' command"));
    assert_eq!(complaint("GET"), arity("get"));
    assert_eq!(complaint("GET a b"), arity("get"));
    assert_eq!(complaint("CLIENT"), arity("client"));
    assert_eq!(complaint("CLIENT SETNAME"), arity("client|setname"));
    let text = "ERR unknown subcommand 'wat'. Try CLIENT HELP.";
    assert_eq!(complaint("client wat"), Some(text.to_string()));
    let text = "ERR unknown command 'WAT', with args beginning with: 'l' 'a' ";
    assert_eq!(complaint("WAT l a"), Some(text.to_string()));
}
