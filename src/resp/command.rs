//! What a command is: a row of the table, and the function that carries it out.
//!
//! A [`Command`] says what clients are told of it (its name, arity, flags, keys, arguments,
//! summary, what differs from Redis) and has the function that carries it out. The function looks
//! at a [`Call`], and says by [`Does`] what is to come of it: a reply, a question to the cluster
//! about some keys with the [`Fold`] that makes the reply of the answers, or work that has the
//! connection to itself. What is done with that is the connection's matter: no command knows of
//! slots, queues or sockets.
//!
//! The table is in [`commands`](super::commands), one file for each command or small family.

use super::client::Client;
use super::fold::Fold;
use super::job::Job;
use super::service::DynService;
use super::shared::Shared;
use super::syntax::{self, Argument};
use super::wire::{Protocol, Reply, Words};
use super::words;
use chainring_model::chain::Reads;
use chainring_model::kv::{Key, Op, Value};
use futures_util::future::BoxFuture;
use std::future::Future;
use std::sync::Arc;

/// A command, or a subcommand of one.
#[derive(Debug)]
pub(super) struct Command {
    /// Its name in upper case.
    pub(super) name: &'static str,
    /// How many arguments it takes, its name included; if negative, at least so many.
    pub(super) arity: i32,
    /// Redis' words for what kind of command it is.
    pub(super) flags: &'static [&'static str],
    /// Which arguments are keys: the first, the last (negative: from the end) and the step.
    pub(super) keys: (i64, i64, i64),
    /// The group that `COMMAND DOCS` files it under.
    pub(super) group: &'static str,
    /// The Redis version that has had it since.
    pub(super) since: &'static str,
    /// What it does, in one sentence.
    pub(super) summary: &'static str,
    /// What differs from Redis on purpose: where, and what. COMMANDS.md has it.
    pub(super) differs: Option<(&'static str, &'static str)>,
    /// The arguments behind its name.
    pub(super) arguments: &'static [Argument],
    /// For a command that is only the first word of several.
    pub(super) subcommands: &'static [Command],
    /// What carries it out, once its arity was found right.
    pub(super) run: fn(&mut Call<'_>) -> Done,
}

/// A command that came, and what it may look at and change of its connection.
pub(super) struct Call<'a> {
    /// The command of the first word.
    pub(super) command: &'static Command,
    /// All of its words, the name first. They fit the arity of the row.
    pub(super) words: &'a Words<'a>,
    /// The connection that it came by.
    pub(super) client: &'a Client,
    /// What the client has set of its connection.
    pub(super) settings: &'a mut Settings,
    /// The cluster.
    pub(super) service: &'a dyn DynService,
    /// What all connections share.
    pub(super) shared: &'a Shared,
}

/// What a client can set of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// What it speaks: `HELLO`.
    pub(super) protocol: Protocol,
    /// Who may answer its reads: `CONFIG SET read-policy`.
    pub(super) reads: Reads,
}

/// What is to come of a command; an error is a reply too.
pub(super) type Done = Result<Does, Reply>;

/// What is to come of a command.
pub(super) enum Does {
    /// The client gets this reply.
    Reply(Reply),
    /// The client gets this reply, and it is the last one.
    LastReply(Reply),
    /// The cluster is asked something of each of these keys, and the fold makes the reply.
    Ask(&'static Fold, Vec<(Key, Job)>),
    /// When everything before it is answered, this work begins, and what comes after waits for it.
    Alone(Alone),
}

/// Work on the whole cluster that ends with a reply. It is to let others have the thread every few
/// milliseconds.
pub(super) type Alone =
    Box<dyn FnOnce(Arc<dyn DynService>, Arc<Shared>) -> BoxFuture<'static, Reply> + Send>;

/// The flags of a command that reads keys.
pub(super) const READ: &[&str] = &["readonly", "fast"];
/// The flags of a command that writes values.
pub(super) const WRITE: &[&str] = &["write", "denyoom"];
/// The same, of one that Redis calls fast.
pub(super) const WRITE_FAST: &[&str] = &["write", "denyoom", "fast"];
/// The flags of a command that the node answers by itself.
pub(super) const LOCAL: &[&str] = &["loading", "stale", "fast"];
/// The flags of a command for operators.
pub(super) const ADMIN: &[&str] = &["admin", "loading", "stale"];

/// The keys of a command that has one: the word behind its name.
pub(super) const ONE_KEY: (i64, i64, i64) = (1, 1, 1);
/// The keys of a command that has nothing but keys.
pub(super) const ALL_KEYS: (i64, i64, i64) = (1, -1, 1);

/// `HELP`, as a subcommand; what a container of subcommands does when it is none of them.
pub(super) const HELP: Command = Command {
    name: "HELP",
    arity: 2,
    flags: LOCAL,
    group: "server",
    since: "5.0.0",
    summary: "Lists the subcommands.",
    run: |call| Ok(Does::Reply(call.command.help())),
    ..Command::NEW
};

impl Default for Settings {
    fn default() -> Self {
        Settings { protocol: Protocol::Resp2, reads: Reads::default() }
    }
}

impl Command {
    /// What a row says unless it says something else.
    pub(super) const NEW: Command = Command {
        name: "",
        arity: 1,
        flags: &[],
        keys: (0, 0, 0),
        group: "string",
        since: "1.0.0",
        summary: "",
        differs: None,
        arguments: &[],
        subcommands: &[],
        run: |call| Ok(Does::Reply(call.command.help())),
    };

    /// Its name in lower case, behind that of its container.
    pub(super) fn full_name(&self, container: Option<&str>) -> String {
        let container = container.map(|name| format!("{name}|")).unwrap_or_default();
        format!("{container}{}", self.name).to_ascii_lowercase()
    }

    /// Whether this is its name, in whatever case.
    pub(super) fn is_called(&self, name: &[u8]) -> bool {
        self.name.as_bytes().eq_ignore_ascii_case(name)
    }

    /// Its subcommand of this name.
    pub(super) fn subcommand(&self, name: &[u8]) -> Option<&'static Command> {
        self.subcommands.iter().find(|sub| sub.is_called(name))
    }

    /// Whether it takes so many arguments, its name included.
    pub(super) fn takes(&self, arguments: usize) -> bool {
        // A count beyond 32 bits cannot come from the wire; it would be wrong in any case but `at
        // least`.
        let count = i32::try_from(arguments).unwrap_or(i32::MAX);
        if self.arity < 0 { count >= -self.arity } else { count == self.arity }
    }

    /// Redis' words for too many arguments, or too few.
    pub(super) fn wrong_arity(&self, container: Option<&str>) -> Reply {
        let name = self.full_name(container);
        Reply::Error(format!("ERR wrong number of arguments for '{name}' command").into())
    }

    /// The reply to `<command> HELP`.
    fn help(&self) -> Reply {
        let mut lines =
            vec![format!("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", self.name)];
        for sub in self.subcommands {
            let mut line = sub.name.to_string();
            if !sub.arguments.is_empty() {
                line = format!("{line} {}", syntax::join(sub.arguments, " "));
            }
            lines.extend([line, format!("    {}", sub.summary)]);
        }
        Reply::Array(lines.into_iter().map(|line| Reply::Simple(line.into())).collect())
    }
}

impl Call<'_> {
    /// A word as a key; empty where there is none.
    pub(super) fn key(&self, at: usize) -> Key {
        self.words.get(at).map_or_else(|| Key::from(&[][..]), |word| Key::from(&**word))
    }

    /// A word as a value; empty where there is none.
    pub(super) fn value(&self, at: usize) -> Value {
        self.words.get(at).map_or_else(|| Value::from(&[][..]), |word| Value::from(&**word))
    }

    /// A word as a number, spelled as Redis wants it.
    pub(super) fn integer(&self, at: usize) -> Result<i64, Reply> {
        words::integer(self.words, at)
    }

    /// An operation on the key behind the command's name.
    pub(super) fn ask(&self, fold: &'static Fold, op: Op) -> Done {
        self.ask_job(fold, Job::Operation(op, self.settings.reads))
    }

    /// A job on the key behind the command's name.
    pub(super) fn ask_job(&self, fold: &'static Fold, job: Job) -> Done {
        Ok(Does::Ask(fold, vec![(self.key(1), job)]))
    }

    /// The same operation on every key behind the command's name.
    pub(super) fn ask_each(&self, fold: &'static Fold, op: Op) -> Done {
        let job = Job::Operation(op, self.settings.reads);
        let jobs = (1..self.words.len()).map(|at| (self.key(at), job.clone()));
        Ok(Does::Ask(fold, jobs.collect()))
    }

    /// Redis' words for a number of arguments that the row cannot say.
    pub(super) fn wrong_arity(&self) -> Done {
        Err(self.command.wrong_arity(None))
    }
}

impl Does {
    /// Work that has the connection to itself.
    pub(super) fn alone<R>(
        work: impl FnOnce(Arc<dyn DynService>, Arc<Shared>) -> R + Send + 'static,
    ) -> Done
    where
        R: Future<Output = Reply> + Send + 'static,
    {
        Ok(Does::Alone(Box::new(|service, shared| Box::pin(work(service, shared)))))
    }
}
