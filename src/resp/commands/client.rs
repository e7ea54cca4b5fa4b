//! `CLIENT`: about this connection, and others of this node.
//!
//! `CLIENT REPLY` is not here, because it changes what becomes of the commands behind it:
//! [`group`](crate::resp::group) looks at it before the table does.

use crate::resp::client::{Choice, client_name};
use crate::resp::command::{ADMIN, Call, Command, Does, Done, HELP, LOCAL};
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::{Reply, Words};
use crate::resp::words::{SYNTAX, number, printable};

pub(super) const CLIENT: Command = Command {
    name: "CLIENT",
    arity: -2,
    flags: LOCAL,
    group: "connection",
    since: "2.4.0",
    summary: "About this connection, and others of this node.",
    subcommands: &[GETNAME, ID, INFO, KILL, LIST, NO_EVICT, NO_TOUCH, SETINFO, SETNAME, HELP],
    run: HELP.run,
    ..Command::NEW
};

const GETNAME: Command = Command {
    name: "GETNAME",
    arity: 2,
    flags: LOCAL,
    group: "connection",
    since: "2.6.9",
    summary: "The connection's name.",
    run: name,
    ..Command::NEW
};

const ID: Command = Command {
    name: "ID",
    arity: 2,
    flags: LOCAL,
    group: "connection",
    since: "5.0.0",
    summary: "The connection's number.",
    run: |call| Ok(Does::Reply(integer(call.client.number))),
    ..Command::NEW
};

const INFO: Command = Command {
    name: "INFO",
    arity: 2,
    flags: LOCAL,
    group: "connection",
    since: "6.2.0",
    summary: "What is known of the connection.",
    run: info,
    ..Command::NEW
};

const KILL: Command = Command {
    name: "KILL",
    arity: -3,
    flags: ADMIN,
    group: "connection",
    since: "2.4.0",
    summary: "Ends connections of this node: the one from an address, or all that fit (not this \
              one, unless SKIPME no); how many.",
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
    run: kill,
    ..Command::NEW
};

const LIST: Command = Command {
    name: "LIST",
    arity: -2,
    flags: ADMIN,
    group: "connection",
    since: "2.4.0",
    summary: "What is known of the connections of this node: all, or those of a type, or with \
              these numbers.",
    differs: Some(("CLIENT LIST", "memory is that of what waits to be read or written")),
    arguments: &[
        CLIENT_TYPE.optional(),
        Argument::new("client-id", Kind::Integer).token("ID").optional().many(),
    ],
    run: list,
    ..Command::NEW
};

const NO_EVICT: Command = Command {
    name: "NO-EVICT",
    arity: 3,
    flags: ADMIN,
    group: "connection",
    since: "7.0.0",
    summary: "Sets a flag of the connection that shows in its line; where all connections hold \
              too much, it is closed all the same.",
    arguments: &[ON_OR_OFF],
    run: |call| {
        call.client.keep_memory(on_or_off(call)?);
        Ok(Does::Reply(Reply::OK))
    },
    ..Command::NEW
};

const NO_TOUCH: Command = Command {
    name: "NO-TOUCH",
    arity: 3,
    flags: LOCAL,
    group: "connection",
    since: "7.2.0",
    summary: "Sets a flag of the connection that shows in its line; no access is noted here.",
    arguments: &[ON_OR_OFF],
    run: |call| {
        call.client.touch_nothing(on_or_off(call)?);
        Ok(Does::Reply(Reply::OK))
    },
    ..Command::NEW
};

const SETINFO: Command = Command {
    name: "SETINFO",
    arity: 4,
    flags: LOCAL,
    group: "connection",
    since: "7.2.0",
    summary: "Notes the name or version of the client's library.",
    arguments: &[Argument::new(
        "attr",
        Kind::OneOf(&[
            Argument::new("libname", Kind::Text).token("LIB-NAME"),
            Argument::new("libver", Kind::Text).token("LIB-VER"),
        ]),
    )],
    run: |call| call.client.note(&call.words[2], &call.words[3]).map(Does::Reply),
    ..Command::NEW
};

const SETNAME: Command = Command {
    name: "SETNAME",
    arity: 3,
    flags: LOCAL,
    group: "connection",
    since: "2.6.9",
    summary: "Names the connection.",
    arguments: &[Argument::new("connection-name", Kind::Text)],
    run: |call| {
        call.client.rename(client_name(&call.words[2])?);
        Ok(Does::Reply(Reply::OK))
    },
    ..Command::NEW
};

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

fn name(call: &mut Call<'_>) -> Done {
    Ok(Does::Reply(match &call.client.name()[..] {
        "" => Reply::Nil,
        name => Reply::text(name),
    }))
}

fn info(call: &mut Call<'_>) -> Done {
    let mut line = String::new();
    call.client.describe(&mut line);
    Ok(Does::Reply(Reply::Verbatim(line)))
}

fn list(call: &mut Call<'_>) -> Done {
    let choice = to_list(&call.words[2..])?;
    Ok(Does::Reply(Reply::Verbatim(call.shared.clients.list(&choice))))
}

fn kill(call: &mut Call<'_>) -> Done {
    let own = call.client.number;
    let (choice, by_address) = to_kill(&call.words[2..], own)?;
    let (killed, itself) = call.shared.clients.kill(&choice, own);
    let reply = match (by_address, killed) {
        (true, 0) => return Err(Reply::error("ERR No such client")),
        (true, _) => Reply::OK,
        (false, killed) => integer(killed as u64),
    };
    Ok(if itself { Does::LastReply(reply) } else { Does::Reply(reply) })
}

fn on_or_off(call: &Call<'_>) -> Result<bool, Reply> {
    match &call.words[2].to_ascii_lowercase()[..] {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(SYNTAX),
    }
}

/// The arguments of `CLIENT LIST`.
fn to_list(words: &Words<'_>) -> Result<Choice, Reply> {
    let mut choice = Choice::default();
    match words {
        [] => {}
        [word, kind] if word.eq_ignore_ascii_case(b"type") => {
            choice.is_none = is_of_no_client(kind)?;
        }
        [word, numbers @ ..] if word.eq_ignore_ascii_case(b"id") && !numbers.is_empty() => {
            let numbers: Option<Vec<_>> = numbers
                .iter()
                .map(|word| number(word).and_then(|number| u64::try_from(number).ok()))
                .collect();
            choice.numbers = Some(numbers.ok_or(Reply::error("ERR Invalid client ID"))?);
        }
        _ => return Err(SYNTAX),
    }
    Ok(choice)
}

/// The arguments of `CLIENT KILL`, and whether they are of the old form, an address by itself.
fn to_kill(words: &Words<'_>, own: u64) -> Result<(Choice, bool), Reply> {
    let mut choice = Choice::default();
    if let [peer] = words {
        choice.peer = Some(peer.to_vec());
        return Ok((choice, true));
    }
    choice.skips = Some(own);
    for pair in words.chunks(2) {
        let [option, value] = pair else {
            return Err(SYNTAX);
        };
        match &option.to_ascii_lowercase()[..] {
            b"id" => {
                let number = number(value).and_then(|number| u64::try_from(number).ok());
                let number = number.filter(|number| *number > 0);
                choice.numbers = Some(vec![
                    number.ok_or(Reply::error("ERR client-id should be greater than 0"))?,
                ]);
            }
            b"type" => choice.is_none |= is_of_no_client(value)?,
            b"addr" => choice.peer = Some(value.to_vec()),
            b"laddr" => choice.local = Some(value.to_vec()),
            b"user" if **value == *b"default" => {}
            b"user" => {
                let user = printable(value, 128);
                return Err(Reply::Error(format!("ERR No such user '{user}'").into()));
            }
            b"skipme" if value.eq_ignore_ascii_case(b"yes") => choice.skips = Some(own),
            b"skipme" if value.eq_ignore_ascii_case(b"no") => choice.skips = None,
            _ => return Err(SYNTAX),
        }
    }
    Ok((choice, false))
}

/// Whether no client here is of this type: all are normal ones.
fn is_of_no_client(kind: &[u8]) -> Result<bool, Reply> {
    match &kind.to_ascii_lowercase()[..] {
        b"normal" => Ok(false),
        b"master" | b"replica" | b"slave" | b"pubsub" => Ok(true),
        _ => {
            let kind = printable(kind, 128);
            Err(Reply::Error(format!("ERR Unknown client type '{kind}'").into()))
        }
    }
}

fn integer(number: u64) -> Reply {
    Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn connections_are_chosen_in_redis_words() {
        assert_eq!(said("CLIENT ID"), "Integer(1)");
        assert_eq!(said("CLIENT GETNAME"), "Nil");
        assert_eq!(said("CLIENT KILL ID 7"), "Integer(0)");
        assert_eq!(said("CLIENT KILL ID 1 SKIPME no"), "Integer(1), and closes");
        assert_eq!(said("CLIENT KILL 127.0.0.1:1"), "ERR No such client");
        assert_eq!(said("CLIENT KILL ID 0"), "ERR client-id should be greater than 0");
        assert_eq!(said("CLIENT LIST ID x"), "ERR Invalid client ID");
        assert_eq!(said("CLIENT LIST TYPE wat"), "ERR Unknown client type 'wat'");
        assert_eq!(said("CLIENT NO-EVICT maybe"), "ERR syntax error");
    }
}
