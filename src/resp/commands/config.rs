//! `CONFIG`: the settings of this connection, and a few more to read.

use crate::resp::command::{ADMIN, Call, Command, Does, Done, HELP};
use crate::resp::glob::Pattern;
use crate::resp::shared::Limits;
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::Reply;
use crate::resp::words::{few, printable};
use chainring_model::chain::Reads;

pub(super) const CONFIG: Command = Command {
    name: "CONFIG",
    arity: -2,
    flags: ADMIN,
    group: "server",
    since: "2.0.0",
    summary: "Settings.",
    differs: Some(("CONFIG", "settings of this connection, and a few more to read")),
    subcommands: &[GET, SET, HELP],
    run: HELP.run,
    ..Command::NEW
};

const GET: Command = Command {
    name: "GET",
    arity: -3,
    flags: ADMIN,
    group: "server",
    since: "2.0.0",
    summary: "The settings that match.",
    arguments: &[Argument::new("parameter", Kind::Pattern).many()],
    run: get,
    ..Command::NEW
};

const SET: Command = Command {
    name: "SET",
    arity: -4,
    flags: ADMIN,
    group: "server",
    since: "2.0.0",
    summary: "Changes settings of this connection; there is one: read-policy (tail, any, \
              eventual).",
    arguments: &[Argument::new(
        "data",
        Kind::Block(&[Argument::new("parameter", Kind::Text), Argument::new("value", Kind::Text)]),
    )
    .many()],
    run: set,
    ..Command::NEW
};

/// The settings that `CONFIG` knows. One that a connection chooses for itself is a field of
/// [`Settings`](crate::resp::command::Settings); the others cannot be changed.
#[derive(Clone, Copy, Debug)]
enum Parameter {
    /// Redis' append-only file. Every acknowledged write is on disk here, so it is on.
    AppendOnly,
    /// One, numbered 0.
    Databases,
    /// The most connections.
    MaxClients,
    /// Memory is not what bounds the store.
    MaxMemory,
    /// The longest command.
    MaxBulk,
    /// Which replica may answer the reads of this connection.
    ReadPolicy,
    /// Redis' snapshots, which there are none of.
    Save,
    /// Idle connections stay.
    Timeout,
}

/// What `read-policy` can be.
const POLICIES: [(&str, Reads); 3] =
    [("tail", Reads::Tail), ("any", Reads::Any), ("eventual", Reads::Eventual)];

impl Parameter {
    const ALL: [Parameter; 8] = [
        Parameter::AppendOnly,
        Parameter::Databases,
        Parameter::MaxClients,
        Parameter::MaxMemory,
        Parameter::MaxBulk,
        Parameter::ReadPolicy,
        Parameter::Save,
        Parameter::Timeout,
    ];

    fn name(self) -> &'static str {
        match self {
            Parameter::AppendOnly => "appendonly",
            Parameter::Databases => "databases",
            Parameter::MaxClients => "maxclients",
            Parameter::MaxMemory => "maxmemory",
            Parameter::MaxBulk => "proto-max-bulk-len",
            Parameter::ReadPolicy => "read-policy",
            Parameter::Save => "save",
            Parameter::Timeout => "timeout",
        }
    }

    fn setting(self, limits: &Limits, reads: Reads) -> String {
        match self {
            Parameter::AppendOnly => "yes".to_string(),
            Parameter::Databases => "1".to_string(),
            Parameter::MaxClients => limits.connections.to_string(),
            Parameter::MaxBulk => limits.command_bytes.to_string(),
            Parameter::ReadPolicy => {
                let name = POLICIES.iter().find(|(_, policy)| *policy == reads);
                name.map(|(name, _)| name.to_string()).unwrap_or_default()
            }
            Parameter::MaxMemory | Parameter::Timeout => "0".to_string(),
            Parameter::Save => String::new(),
        }
    }
}

fn get(call: &mut Call<'_>) -> Done {
    let patterns = few(&call.words[2..])?.iter();
    let patterns = patterns.map(|pattern| Pattern::new(&pattern.to_ascii_lowercase()));
    let patterns: Vec<Pattern> = patterns.collect::<Result<_, _>>()?;
    let matching = Parameter::ALL.iter().filter(|parameter| {
        let name = parameter.name().as_bytes();
        patterns.iter().any(|pattern| pattern.matches(name))
    });
    let pair = |parameter: &Parameter| {
        let setting = parameter.setting(&call.shared.limits, call.settings.reads);
        (Reply::text(parameter.name()), Reply::text(&setting))
    };
    Ok(Does::Reply(Reply::Map(matching.map(pair).collect())))
}

/// Changes settings of this connection: all that are named, or none.
fn set(call: &mut Call<'_>) -> Done {
    let settings = &call.words[2..];
    let (mut reads, mut is_set) = (call.settings.reads, false);
    let whole = settings.len().is_multiple_of(2);
    for pair in settings.chunks(2) {
        let name = pair[0].to_ascii_lowercase();
        let mut known = Parameter::ALL.iter();
        let known = known.find(|parameter| parameter.name().as_bytes() == name.as_slice());
        let (Some(parameter), true, Some(value)) = (known, whole, pair.get(1)) else {
            return Err(unknown_option(&pair[0]));
        };
        let why = match parameter {
            Parameter::ReadPolicy if std::mem::replace(&mut is_set, true) => "duplicate parameter",
            Parameter::ReadPolicy => match policy(value) {
                Some(policy) => {
                    reads = policy;
                    continue;
                }
                None => "argument must be one of tail, any, eventual",
            },
            _ => "can't set immutable config",
        };
        let name = parameter.name();
        let text = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}");
        return Err(Reply::Error(text.into()));
    }
    call.settings.reads = reads;
    Ok(Does::Reply(Reply::OK))
}

fn policy(word: &[u8]) -> Option<Reads> {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    POLICIES.iter().find(|(name, _)| is(name)).map(|(_, policy)| *policy)
}

fn unknown_option(name: &[u8]) -> Reply {
    let shown = printable(name, 128);
    Reply::Error(
        format!("ERR Unknown option or number of arguments for CONFIG SET - '{shown}'").into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::commands::tests::said;

    #[test]
    fn only_the_read_policy_can_be_set() {
        for (name, _) in POLICIES {
            assert_eq!(said(&format!("CONFIG SET read-policy {name}")), r#"Simple("OK")"#);
        }
        let failed = |argument: &str, why: &str| {
            format!("ERR CONFIG SET failed (possibly related to argument '{argument}') - {why}")
        };
        let must = failed("read-policy", "argument must be one of tail, any, eventual");
        assert_eq!(said("CONFIG SET Read-Policy wat"), must);
        let twice = failed("read-policy", "duplicate parameter");
        assert_eq!(said("CONFIG SET read-policy any read-policy tail"), twice);
        assert_eq!(said("CONFIG SET save x"), failed("save", "can't set immutable config"));
        let unknown = "ERR Unknown option or number of arguments for CONFIG SET - 'wat'";
        assert_eq!(said("CONFIG SET wat x"), unknown);
    }

    #[test]
    fn every_policy_has_a_name() {
        for reads in [Reads::Tail, Reads::Any, Reads::Eventual] {
            let setting = Parameter::ReadPolicy.setting(&Limits::default(), reads);
            assert_eq!(policy(setting.as_bytes()), Some(reads));
        }
    }
}
