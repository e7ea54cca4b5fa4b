//! The commands: one list that says what each is called, takes and means.
//!
//! [`COMMANDS`] is the only place that knows. Arity checks, `COMMAND`, `COMMAND DOCS` (from which
//! `redis-cli` takes its hints while one types) and [`markdown_table`] read it.

use super::glob::Pattern;
use super::left_out;
use super::wire::{Reply, Words};
use std::borrow::Cow;
use std::fmt::Write;

/// A command, or a subcommand of one.
#[derive(Debug)]
pub(super) struct Command {
    /// Its name in upper case.
    pub(super) name: &'static str,
    /// What carries it out.
    pub(super) verb: Verb,
    /// How many arguments it takes, its name included; if negative, at least so many.
    arity: i32,
    /// Redis' words for what kind of command it is.
    flags: &'static [&'static str],
    /// Which arguments are keys: the first, the last (negative: from the end) and the step.
    keys: (i64, i64, i64),
    /// The group that `COMMAND DOCS` files it under.
    group: &'static str,
    /// The Redis version that has had it since.
    since: &'static str,
    /// What it does, in one sentence.
    summary: &'static str,
    /// The arguments behind its name.
    arguments: &'static [Argument],
    /// For a command that is only the first word of several.
    subcommands: &'static [Command],
}

/// What carries a command out, once its arity was found right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Auth,
    ClientGetName,
    ClientId,
    ClientInfo,
    ClientKill,
    ClientList,
    ClientNoEvict,
    ClientNoTouch,
    ClientSetInfo,
    ClientSetName,
    Cluster,
    Command,
    CommandCount,
    CommandDocs,
    CommandGetKeys,
    CommandInfo,
    CommandList,
    ConfigGet,
    ConfigSet,
    DbSize,
    Decr,
    DecrBy,
    Del,
    Echo,
    Exists,
    Flush,
    Get,
    GetSet,
    Hello,
    Help,
    Incr,
    IncrBy,
    Info,
    Join,
    Keys,
    Leave,
    MGet,
    MSet,
    Ping,
    Quit,
    Reform,
    BeginAnew,
    Reset,
    Role,
    Scan,
    Select,
    SentinelAddress,
    SentinelMaster,
    SentinelMasters,
    SentinelMyId,
    SentinelQuorum,
    SentinelReplicas,
    SentinelSentinels,
    Set,
    SetNx,
    Status,
    StrLen,
    Type,
}

/// One argument of a command, as `COMMAND DOCS` describes it.
#[derive(Debug)]
struct Argument {
    name: &'static str,
    kind: Kind,
    /// A word that stands before the argument, or is the whole of it.
    token: Option<&'static str>,
    optional: bool,
    many: bool,
}

#[derive(Debug)]
enum Kind {
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
    const fn new(name: &'static str, kind: Kind) -> Self {
        Argument { name, kind, token: None, optional: false, many: false }
    }

    const fn word(name: &'static str, token: &'static str) -> Self {
        Argument::new(name, Kind::Word).token(token)
    }

    const fn token(self, token: &'static str) -> Self {
        Argument { token: Some(token), ..self }
    }

    const fn optional(self) -> Self {
        Argument { optional: true, ..self }
    }

    const fn many(self) -> Self {
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

const KEY: Argument = Argument::new("key", Kind::Key);
const KEYS: Argument = Argument::new("key", Kind::Key).many();
const VALUE: Argument = Argument::new("value", Kind::Text);
const PATTERN: Argument = Argument::new("pattern", Kind::Pattern);

const MASTER_NAME: Argument = Argument::new("master-name", Kind::Text);

const CLIENT_TYPE: Argument = Argument::new(
    "client-type",
    Kind::OneOf(&[
        Argument::word("normal", "NORMAL"),
        Argument::word("master", "MASTER"),
        Argument::word("replica", "REPLICA"),
        Argument::word("pubsub", "PUBSUB"),
    ]),
)
.token("TYPE");

const ON_OR_OFF: Argument = Argument::new(
    "enabled",
    Kind::OneOf(&[Argument::word("on", "ON"), Argument::word("off", "OFF")]),
);

const FLUSH_HOW: Argument = Argument::new(
    "flush-type",
    Kind::OneOf(&[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")]),
)
.optional();

const READ: &[&str] = &["readonly", "fast"];
const WRITE: &[&str] = &["write", "denyoom"];
const WRITE_FAST: &[&str] = &["write", "denyoom", "fast"];
const LOCAL: &[&str] = &["loading", "stale", "fast"];
const ADMIN: &[&str] = &["admin", "loading", "stale"];

/// A command about keys.
const fn keyed(
    name: &'static str,
    verb: Verb,
    arity: i32,
    flags: &'static [&'static str],
    keys: (i64, i64, i64),
) -> Command {
    Command {
        name,
        verb,
        arity,
        flags,
        keys,
        group: "string",
        since: "1.0.0",
        summary: "",
        arguments: &[],
        subcommands: &[],
    }
}

/// A command about the connection or the server.
const fn plain(
    name: &'static str,
    verb: Verb,
    arity: i32,
    flags: &'static [&'static str],
    group: &'static str,
) -> Command {
    Command { group, ..keyed(name, verb, arity, flags, (0, 0, 0)) }
}

/// Every command.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        summary: "The value of a key.",
        arguments: &[KEY],
        ..keyed("GET", Verb::Get, 2, READ, (1, 1, 1))
    },
    Command {
        summary: "Writes a value: always, only if the key is absent (NX) or present (XX), or only if \
                  it holds a given value (IFEQ, compare-and-swap). With GET the reply is the value \
                  before, atomically. Keys do not expire: EX, PX, EXAT, PXAT and KEEPTTL are refused.",
        arguments: &[
            KEY,
            VALUE,
            Argument::new(
                "condition",
                Kind::OneOf(&[
                    Argument::word("nx", "NX"),
                    Argument::word("xx", "XX"),
                    Argument::new("comparison-value", Kind::Text).token("IFEQ"),
                ]),
            )
            .optional(),
            Argument::word("get", "GET").optional(),
        ],
        ..keyed("SET", Verb::Set, -3, WRITE, (1, 1, 1))
    },
    Command {
        summary: "Writes a value if the key is absent; 1 if it did.",
        arguments: &[KEY, VALUE],
        ..keyed("SETNX", Verb::SetNx, 3, WRITE_FAST, (1, 1, 1))
    },
    Command {
        summary: "Writes a value; the reply is the value before, as in SET … GET.",
        arguments: &[KEY, VALUE],
        ..keyed("GETSET", Verb::GetSet, 3, WRITE_FAST, (1, 1, 1))
    },
    Command {
        summary: "The length of a value; 0 for an absent key.",
        since: "2.2.0",
        arguments: &[KEY],
        ..keyed("STRLEN", Verb::StrLen, 2, READ, (1, 1, 1))
    },
    Command {
        summary: "Adds 1 to a number; an absent key counts as 0.",
        arguments: &[KEY],
        ..keyed("INCR", Verb::Incr, 2, WRITE_FAST, (1, 1, 1))
    },
    Command {
        summary: "Adds to a number; an absent key counts as 0.",
        arguments: &[KEY, Argument::new("increment", Kind::Integer)],
        ..keyed("INCRBY", Verb::IncrBy, 3, WRITE_FAST, (1, 1, 1))
    },
    Command {
        summary: "Subtracts 1 from a number; an absent key counts as 0.",
        arguments: &[KEY],
        ..keyed("DECR", Verb::Decr, 2, WRITE_FAST, (1, 1, 1))
    },
    Command {
        summary: "Subtracts from a number; an absent key counts as 0.",
        arguments: &[KEY, Argument::new("decrement", Kind::Integer)],
        ..keyed("DECRBY", Verb::DecrBy, 3, WRITE_FAST, (1, 1, 1))
    },
    Command {
        summary: "The values of keys, each read linearizably by itself, not together.",
        arguments: &[KEYS],
        ..keyed("MGET", Verb::MGet, -2, READ, (1, -1, 1))
    },
    Command {
        summary: "Writes several keys, each by itself: not atomic.",
        since: "1.0.1",
        arguments: &[Argument::new("data", Kind::Block(&[KEY, VALUE])).many()],
        ..keyed("MSET", Verb::MSet, -3, WRITE, (1, -1, 2))
    },
    Command {
        summary: "Removes keys, each by itself; how many there were.",
        group: "generic",
        arguments: &[KEYS],
        ..keyed("DEL", Verb::Del, -2, &["write"], (1, -1, 1))
    },
    Command {
        summary: "The same as DEL.",
        group: "generic",
        since: "4.0.0",
        arguments: &[KEYS],
        ..keyed("UNLINK", Verb::Del, -2, &["write", "fast"], (1, -1, 1))
    },
    Command {
        summary: "How many of the keys are there.",
        group: "generic",
        arguments: &[KEYS],
        ..keyed("EXISTS", Verb::Exists, -2, READ, (1, -1, 1))
    },
    Command {
        summary: "`string` for a key that is there, else `none`.",
        group: "generic",
        arguments: &[KEY],
        ..keyed("TYPE", Verb::Type, 2, READ, (1, 1, 1))
    },
    Command {
        summary: "A page of keys. A scan returns each key that is there from before it began until it ends, \
                  what was acknowledged before through any node included, and none that is absent as long; \
                  a key that comes or goes meanwhile may be returned or not. One page of a chain is as of one moment; \
                  several pages, and those of several chains or of a ring, are not.",
        since: "2.8.0",
        arguments: &[
            Argument::new("cursor", Kind::Integer),
            Argument::new("pattern", Kind::Pattern).token("MATCH").optional(),
            Argument::new("count", Kind::Integer).token("COUNT").optional(),
            Argument::new("type", Kind::Text).token("TYPE").optional(),
        ],
        ..plain("SCAN", Verb::Scan, -2, &["readonly"], "generic")
    },
    Command {
        summary: "The keys that match, if they are not too many: a whole scan, and as good as one.",
        arguments: &[PATTERN],
        ..plain("KEYS", Verb::Keys, 2, &["readonly"], "generic")
    },
    Command {
        summary: "How many keys there are: of one chain, as of one moment since it was asked; of several \
                  chains the sum of such numbers; of a ring, as many as a whole scan would return.",
        ..plain("DBSIZE", Verb::DbSize, 1, READ, "server")
    },
    Command {
        summary: "Deletes every key that was there before, one by one: not atomic, and it takes as long as so many \
                  DELs. A key that is written meanwhile may stay. ASYNC and SYNC are the same. An error says how many \
                  were deleted when it had to stop.",
        arguments: &[FLUSH_HOW],
        ..plain("FLUSHALL", Verb::Flush, -1, &["write"], "server")
    },
    Command {
        summary: "The same as FLUSHALL: there is one database.",
        arguments: &[FLUSH_HOW],
        ..plain("FLUSHDB", Verb::Flush, -1, &["write"], "server")
    },
    Command {
        summary: "`PONG`, or the message.",
        arguments: &[Argument::new("message", Kind::Text).optional()],
        ..plain("PING", Verb::Ping, -1, &["fast"], "connection")
    },
    Command {
        summary: "The message.",
        arguments: &[Argument::new("message", Kind::Text)],
        ..plain("ECHO", Verb::Echo, 2, LOCAL, "connection")
    },
    Command {
        summary: "Switches to RESP2 or RESP3 and tells about the server.",
        since: "6.0.0",
        arguments: &[
            Argument::new("protover", Kind::Integer).optional(),
            Argument::new(
                "auth",
                Kind::Block(&[
                    Argument::new("username", Kind::Text),
                    Argument::new("password", Kind::Text),
                ]),
            )
            .token("AUTH")
            .optional(),
            Argument::new("clientname", Kind::Text).token("SETNAME").optional(),
        ],
        ..plain("HELLO", Verb::Hello, -1, LOCAL, "connection")
    },
    Command {
        summary: "There are no passwords: an error, as from a Redis without one.",
        arguments: &[
            Argument::new("username", Kind::Text).optional(),
            Argument::new("password", Kind::Text),
        ],
        ..plain("AUTH", Verb::Auth, -2, LOCAL, "connection")
    },
    Command {
        summary: "Database 0, the only one.",
        arguments: &[Argument::new("index", Kind::Integer)],
        ..plain("SELECT", Verb::Select, 2, LOCAL, "connection")
    },
    Command {
        summary: "Forgets the connection's name and goes back to RESP2.",
        since: "6.2.0",
        ..plain("RESET", Verb::Reset, 1, LOCAL, "connection")
    },
    Command {
        summary: "Closes the connection.",
        ..plain("QUIT", Verb::Quit, -1, LOCAL, "connection")
    },
    Command {
        summary: "About this connection, and others of this node.",
        since: "2.4.0",
        subcommands: &[
            Command {
                summary: "The connection's name.",
                since: "2.6.9",
                ..plain("GETNAME", Verb::ClientGetName, 2, LOCAL, "connection")
            },
            Command {
                summary: "The connection's number.",
                since: "5.0.0",
                ..plain("ID", Verb::ClientId, 2, LOCAL, "connection")
            },
            Command {
                summary: "What is known of the connection.",
                since: "6.2.0",
                ..plain("INFO", Verb::ClientInfo, 2, LOCAL, "connection")
            },
            Command {
                summary: "Ends connections of this node: the one from an address, or all that fit (not this one, unless \
                          SKIPME no); how many.",
                since: "2.4.0",
                arguments: &[Argument::new(
                    "filter",
                    Kind::OneOf(&[
                        Argument::new("ip:port", Kind::Text),
                        Argument::new(
                            "filters",
                            Kind::Block(&[
                                Argument::new("client-id", Kind::Integer).token("ID").optional(),
                                CLIENT_TYPE.optional(),
                                Argument::new("username", Kind::Text).token("USER").optional(),
                                Argument::new("addr", Kind::Text).token("ADDR").optional(),
                                Argument::new("laddr", Kind::Text).token("LADDR").optional(),
                                Argument::new("yes/no", Kind::Text).token("SKIPME").optional(),
                            ]),
                        ),
                    ]),
                )],
                ..plain("KILL", Verb::ClientKill, -3, ADMIN, "connection")
            },
            Command {
                summary: "What is known of the connections of this node: all, or those of a type, or with these numbers.",
                since: "2.4.0",
                arguments: &[
                    CLIENT_TYPE.optional(),
                    Argument::new("client-id", Kind::Integer).token("ID").optional().many(),
                ],
                ..plain("LIST", Verb::ClientList, -2, ADMIN, "connection")
            },
            Command {
                summary: "Sets a flag of the connection that shows in its line; where all connections hold \
                          too much, it is closed all the same.",
                since: "7.0.0",
                arguments: &[ON_OR_OFF],
                ..plain("NO-EVICT", Verb::ClientNoEvict, 3, ADMIN, "connection")
            },
            Command {
                summary: "Sets a flag of the connection that shows in its line; no access is noted here.",
                since: "7.2.0",
                arguments: &[ON_OR_OFF],
                ..plain("NO-TOUCH", Verb::ClientNoTouch, 3, LOCAL, "connection")
            },
            Command {
                summary: "Notes the name or version of the client's library.",
                since: "7.2.0",
                arguments: &[Argument::new(
                    "attr",
                    Kind::OneOf(&[
                        Argument::new("libname", Kind::Text).token("LIB-NAME"),
                        Argument::new("libver", Kind::Text).token("LIB-VER"),
                    ]),
                )],
                ..plain("SETINFO", Verb::ClientSetInfo, 4, LOCAL, "connection")
            },
            Command {
                summary: "Names the connection.",
                since: "2.6.9",
                arguments: &[Argument::new("connection-name", Kind::Text)],
                ..plain("SETNAME", Verb::ClientSetName, 3, LOCAL, "connection")
            },
            HELP,
        ],
        ..plain("CLIENT", Verb::Help, -2, LOCAL, "connection")
    },
    Command {
        summary: "What this node has to say about itself, in sections: Redis' (Server, Clients, Memory, Persistence, \
                  Stats, Replication, CPU, Cluster, Keyspace), Chainring and Transport. `all`, `everything` and `default` \
                  are all of them. Keyspace counts the whole cluster's keys, as of a moment ago.",
        arguments: &[Argument::new("section", Kind::Text).optional().many()],
        ..plain("INFO", Verb::Info, -1, LOCAL, "server")
    },
    Command {
        summary: "`master`, and no replicas: every node takes reads and writes of every key.",
        since: "2.8.12",
        ..plain("ROLE", Verb::Role, 1, LOCAL, "server")
    },
    Command {
        summary: "Redis' words for an instance without cluster mode: there are no slots, every node serves every key.",
        since: "3.0.0",
        arguments: &[Argument::new("subcommand", Kind::Text).many()],
        ..plain("CLUSTER", Verb::Cluster, -2, LOCAL, "cluster")
    },
    Command {
        summary: "How client libraries find a node that lives: each node is its own sentinel, and the master is the node \
                  that was asked, whatever name it is given.",
        since: "2.8.4",
        subcommands: &[
            Command {
                summary: "How many sentinels there are: as many as nodes.",
                since: "2.8.4",
                arguments: &[MASTER_NAME],
                ..plain("CKQUORUM", Verb::SentinelQuorum, 3, LOCAL, "sentinel")
            },
            Command {
                summary: "The address of this node, as the cluster file has it.",
                since: "2.8.4",
                arguments: &[MASTER_NAME],
                ..plain("GET-MASTER-ADDR-BY-NAME", Verb::SentinelAddress, 3, LOCAL, "sentinel")
            },
            Command {
                summary: "This node, as the fields of a master.",
                since: "2.8.4",
                arguments: &[MASTER_NAME],
                ..plain("MASTER", Verb::SentinelMaster, 3, LOCAL, "sentinel")
            },
            Command {
                summary: "The same, in a list: by the names `mymaster` and `chainring`.",
                since: "2.8.4",
                ..plain("MASTERS", Verb::SentinelMasters, 2, LOCAL, "sentinel")
            },
            Command {
                summary: "This start of this node, by 40 digits.",
                since: "6.2.0",
                ..plain("MYID", Verb::SentinelMyId, 2, LOCAL, "sentinel")
            },
            Command {
                summary: "None: every node is a master.",
                since: "5.0.0",
                arguments: &[MASTER_NAME],
                ..plain("REPLICAS", Verb::SentinelReplicas, 3, LOCAL, "sentinel")
            },
            Command {
                summary: "The other nodes of the cluster file.",
                since: "2.8.4",
                arguments: &[MASTER_NAME],
                ..plain("SENTINELS", Verb::SentinelSentinels, 3, LOCAL, "sentinel")
            },
            Command {
                summary: "The same as SENTINEL REPLICAS.",
                since: "2.8.4",
                arguments: &[MASTER_NAME],
                ..plain("SLAVES", Verb::SentinelReplicas, 3, LOCAL, "sentinel")
            },
            HELP,
        ],
        ..plain("SENTINEL", Verb::Help, -2, LOCAL, "sentinel")
    },
    Command {
        summary: "What only Chainring has.",
        subcommands: &[
            Command {
                summary: "What this node's actors know of their chains or their ring, as JSON; \
                          `chainring status` asks all nodes.",
                ..plain("STATUS", Verb::Status, 2, LOCAL, "server")
            },
            Command {
                summary: "Brings this node into the ring, for good: it fetches what it is to hold.",
                ..plain("JOIN", Verb::Join, 2, ADMIN, "server")
            },
            Command {
                summary: "Takes this node out of the ring, for good: others fetch what it holds.",
                ..plain("LEAVE", Verb::Leave, 2, ADMIN, "server")
            },
            Command {
                summary: "Gives up nodes that are gone, in the view of this epoch: those with these \
                          replicas, or all. What only they had is lost. `chainring reform` asks first.",
                arguments: &[
                    Argument::new("epoch", Kind::Integer),
                    Argument::new("replica", Kind::Integer).optional().many(),
                ],
                ..plain("REFORM", Verb::Reform, -3, ADMIN, "server")
            },
            Command {
                summary: "Begins a chain anew from what this node holds, where its only member is lost in the view \
                          of this epoch. What only that member had is lost. `chainring reform --from` asks first.",
                arguments: &[Argument::new("epoch", Kind::Integer)],
                ..plain("BEGINANEW", Verb::BeginAnew, 3, ADMIN, "server")
            },
            HELP,
        ],
        ..plain("CHAINRING", Verb::Help, -2, LOCAL, "server")
    },
    Command {
        summary: "Describes the commands.",
        since: "2.8.13",
        subcommands: &[
            Command {
                summary: "How many commands there are.",
                since: "2.8.13",
                ..plain("COUNT", Verb::CommandCount, 2, LOCAL, "server")
            },
            Command {
                summary: "Describes commands to people.",
                since: "7.0.0",
                arguments: &[Argument::new("command-name", Kind::Text).optional().many()],
                ..plain("DOCS", Verb::CommandDocs, -2, LOCAL, "server")
            },
            Command {
                summary: "Describes commands to programs.",
                since: "2.8.13",
                arguments: &[Argument::new("command-name", Kind::Text).optional().many()],
                ..plain("INFO", Verb::CommandInfo, -2, LOCAL, "server")
            },
            Command {
                summary: "Which arguments of a command are keys.",
                since: "2.8.13",
                arguments: &[
                    Argument::new("command", Kind::Text),
                    Argument::new("arg", Kind::Text).optional().many(),
                ],
                ..plain("GETKEYS", Verb::CommandGetKeys, -3, LOCAL, "server")
            },
            Command {
                summary: "The commands' names: all, or those of a category, or that match. There are no modules.",
                since: "7.0.0",
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
                ..plain("LIST", Verb::CommandList, -2, LOCAL, "server")
            },
            HELP,
        ],
        ..plain("COMMAND", Verb::Command, -1, LOCAL, "server")
    },
    Command {
        summary: "Settings.",
        since: "2.0.0",
        subcommands: &[
            Command {
                summary: "The settings that match.",
                since: "2.0.0",
                arguments: &[Argument::new("parameter", Kind::Pattern).many()],
                ..plain("GET", Verb::ConfigGet, -3, ADMIN, "server")
            },
            Command {
                summary: "Changes settings of this connection; there is one: read-policy (tail, any, eventual).",
                since: "2.0.0",
                arguments: &[Argument::new(
                    "data",
                    Kind::Block(&[
                        Argument::new("parameter", Kind::Text),
                        Argument::new("value", Kind::Text),
                    ]),
                )
                .many()],
                ..plain("SET", Verb::ConfigSet, -4, ADMIN, "server")
            },
            HELP,
        ],
        ..plain("CONFIG", Verb::Help, -2, ADMIN, "server")
    },
];

const HELP: Command = Command {
    summary: "Lists the subcommands.",
    since: "5.0.0",
    ..plain("HELP", Verb::Help, 2, LOCAL, "server")
};

/// What a connection asked for, found in the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolved {
    /// The command of the first word.
    pub(super) command: &'static Command,
    /// The same; for a container the subcommand.
    pub(super) found: &'static Command,
    /// What carries it out; for a container that of the subcommand.
    pub(super) verb: Verb,
}

/// Finds a command and checks its arity.
///
/// # Errors
/// The reply to an unknown command or one with the wrong number of arguments, in Redis' words.
pub(super) fn resolve(arguments: &Words<'_>) -> Result<Resolved, Reply> {
    let name = arguments.first().map_or(&[][..], |name| name);
    let Some(command) = find(COMMANDS, name) else {
        let rest = &arguments[arguments.len().min(1)..];
        return Err(left_out::reply(name, None).unwrap_or_else(|| unknown(name, rest)));
    };
    let (found, full_name) = match arguments.get(1) {
        Some(sub) if !command.subcommands.is_empty() => match find(command.subcommands, sub) {
            Some(found) => (found, Some(command.name)),
            None => {
                if let Some(reply) = left_out::reply(sub, Some(command.name)) {
                    return Err(reply);
                }
                let sub = printable(sub, 128);
                let text = format!("ERR unknown subcommand '{sub}'. Try {} HELP.", command.name);
                return Err(Reply::Error(text.into()));
            }
        },
        _ => (command, None),
    };
    // A count beyond 32 bits cannot come from the wire; it would be wrong in any case but `at least`.
    let count = i32::try_from(arguments.len()).unwrap_or(i32::MAX);
    let fits = if found.arity < 0 { count >= -found.arity } else { count == found.arity };
    if !fits {
        return Err(found.wrong_arity(full_name));
    }
    Ok(Resolved { command, found, verb: found.verb })
}

/// The table in COMMANDS.md.
///
/// A row for every command and subcommand: its syntax, and what it does.
pub fn markdown_table() -> String {
    let mut table = String::from("| command | what it does |\n|---|---|\n");
    let mut row = |name: &str, command: &Command| {
        let mut syntax = name.to_string();
        for argument in command.arguments {
            syntax.push(' ');
            argument.syntax(&mut syntax);
        }
        let syntax = syntax.replace('|', "\\|");
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| `{syntax}` | {} |", command.summary);
    };
    for command in COMMANDS {
        if command.subcommands.is_empty() || command.arity == -1 {
            row(command.name, command);
        }
        for sub in command.subcommands {
            row(&format!("{} {}", command.name, sub.name), sub);
        }
    }
    table
}

impl Command {
    /// Redis' words for too many arguments, or too few.
    pub(super) fn wrong_arity(&self, container: Option<&str>) -> Reply {
        let container = container.map(|name| format!("{name}|")).unwrap_or_default();
        let name = format!("{container}{}", self.name).to_ascii_lowercase();
        Reply::Error(format!("ERR wrong number of arguments for '{name}' command").into())
    }

    /// The reply to `<command> HELP`.
    pub(super) fn help(&self) -> Reply {
        let mut lines =
            vec![format!("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", self.name)];
        for sub in self.subcommands {
            let mut line = sub.name.to_string();
            if !sub.arguments.is_empty() {
                line = format!("{line} {}", join(sub.arguments, " "));
            }
            lines.extend([line, format!("    {}", sub.summary)]);
        }
        Reply::Array(lines.into_iter().map(|line| Reply::Simple(line.into())).collect())
    }

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
            let arguments = self.arguments.iter().map(Argument::docs).collect();
            docs.push(("arguments", Reply::Array(arguments)));
        }
        if !self.subcommands.is_empty() {
            let subcommands = self.subcommands.iter().map(|sub| sub.docs(Some(self.name)));
            docs.push(("subcommands", Reply::Map(subcommands.collect())));
        }
        (Reply::text(&self.full_name(container)), map(docs))
    }

    pub(super) fn full_name(&self, container: Option<&str>) -> String {
        let container = container.map(|name| format!("{name}|")).unwrap_or_default();
        format!("{container}{}", self.name).to_ascii_lowercase()
    }
}

/// `COMMAND COUNT`.
pub(super) fn count() -> Reply {
    Reply::Integer(i64::try_from(COMMANDS.len()).unwrap_or(i64::MAX))
}

/// `COMMAND LIST [FILTERBY …]`.
pub(super) fn list(filter: &Words<'_>) -> Result<Reply, Reply> {
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
                _ => return Err(Reply::error(super::number::SYNTAX)),
            }
        }
        _ => return Err(Reply::error(super::number::SYNTAX)),
    };
    Ok(Reply::Array(chosen.into_iter().map(|(name, _)| Reply::text(&name)).collect()))
}

/// `COMMAND GETKEYS command [arg …]`.
pub(super) fn keys_of(words: &Words<'_>) -> Result<Reply, Reply> {
    let Ok(Resolved { found, .. }) = resolve(words) else {
        let known = words.first().and_then(|name| find(COMMANDS, name));
        return Err(Reply::error(match known {
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
pub(super) fn info(names: &Words<'_>) -> Reply {
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
pub(super) fn docs(names: &Words<'_>) -> Reply {
    if names.is_empty() {
        return Reply::Map(COMMANDS.iter().map(|command| command.docs(None)).collect());
    }
    let found = names.iter().filter_map(|name| find_full(name));
    Reply::Map(found.map(|(command, container)| command.docs(container)).collect())
}

/// Bytes from a client as part of a line of text: at most `longest` of them, and no control
/// characters, which would end the line.
pub(super) fn printable(bytes: &[u8], longest: usize) -> String {
    let bytes = &bytes[..bytes.len().min(longest)];
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn unknown(name: &[u8], rest: &Words<'_>) -> Reply {
    let mut shown = String::new();
    for argument in rest {
        if shown.len() >= 128 {
            break;
        }
        let longest = 128 - shown.len();
        let _ = write!(shown, "'{}' ", printable(argument, longest));
    }
    let name = printable(name, 128);
    let text = format!("ERR unknown command '{name}', with args beginning with: {shown}");
    Reply::Error(text.into())
}

fn find(table: &'static [Command], name: &[u8]) -> Option<&'static Command> {
    table.iter().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
}

/// Finds `get` and `client|id`.
fn find_full(name: &[u8]) -> Option<(&'static Command, Option<&'static str>)> {
    match name.iter().position(|byte| *byte == b'|') {
        None => find(COMMANDS, name).map(|command| (command, None)),
        Some(bar) => {
            let container = find(COMMANDS, &name[..bar])?;
            let sub = find(container.subcommands, &name[bar + 1..])?;
            Some((sub, Some(container.name)))
        }
    }
}

fn join(arguments: &[Argument], between: &str) -> String {
    let mut joined = String::new();
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            joined.push_str(between);
        }
        argument.syntax(&mut joined);
    }
    joined
}

fn simple(text: &'static str) -> Reply {
    Reply::Simple(Cow::Borrowed(text))
}

fn map(pairs: Vec<(&'static str, Reply)>) -> Reply {
    Reply::Map(pairs.into_iter().map(|(name, reply)| (Reply::text(name), reply)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for table in std::iter::once(COMMANDS).chain(COMMANDS.iter().map(|c| c.subcommands)) {
            for command in table {
                assert_eq!(table.iter().filter(|other| other.name == command.name).count(), 1);
                assert!(!command.summary.is_empty(), "{}", command.name);
                assert_eq!(command.name, command.name.to_ascii_uppercase());
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

    #[test]
    fn the_table_is_in_commands_md_and_has_a_row_for_each() {
        let table = markdown_table();
        let file = include_str!("../../COMMANDS.md");
        assert!(file.ends_with(&table), "COMMANDS.md has another table than this:\n{table}");
        assert!(table.contains("| `SET key value [NX \\| XX \\| IFEQ comparison-value] [GET]` |"));
        assert!(table.contains("| `MSET key value [key value …]` |"));
        assert!(table.contains("| `CLIENT SETNAME connection-name` |"));
    }
}
