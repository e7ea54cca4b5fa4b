//! `HELLO`: switches to RESP2 or RESP3, and tells about the server.

use super::auth::{USER, WRONG_PASS};
use crate::resp::client::client_name;
use crate::resp::command::{Call, Command, Does, Done, LOCAL};
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::{Protocol, Reply, Words};
use crate::resp::words::{number, printable};

pub(super) const HELLO: Command = Command {
    name: "HELLO",
    arity: -1,
    flags: LOCAL,
    group: "connection",
    since: "6.0.0",
    summary: "Switches to RESP2 or RESP3 and tells about the server.",
    differs: Some(("HELLO", "`server` is `chainring`, `version` is its own")),
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
    run: hello,
    ..Command::NEW
};

fn hello(call: &mut Call<'_>) -> Done {
    if let Some(version) = call.words.get(1) {
        let protocol = match number(version) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(Reply::error("NOPROTO unsupported protocol version")),
            None => {
                return Err(Reply::error("ERR Protocol version is not an integer or out of range"));
            }
        };
        // Nothing of it is done where anything of it is wrong.
        let name = name(&call.words[2..])?;
        call.settings.protocol = protocol;
        if let Some(name) = name {
            call.client.rename(name);
        }
    }
    let protocol = call.settings.protocol;
    call.client.speaks(protocol);
    let pair = |name: &str, reply| (Reply::text(name), reply);
    Ok(Does::Reply(Reply::Map(vec![
        pair("server", Reply::text("chainring")),
        pair("version", Reply::text(env!("CARGO_PKG_VERSION"))),
        pair("proto", Reply::Integer(protocol.number())),
        pair("id", Reply::Integer(i64::try_from(call.client.number).unwrap_or(i64::MAX))),
        pair("mode", Reply::text("standalone")),
        pair("role", Reply::text("master")),
        pair("modules", Reply::Array(Vec::new())),
    ])))
}

/// The name that the options give the connection; a password is checked.
fn name(mut options: &Words<'_>) -> Result<Option<String>, Reply> {
    let mut name = None;
    while let [option, rest @ ..] = options {
        options = match rest {
            [user, _, rest @ ..] if option.eq_ignore_ascii_case(b"auth") => {
                if **user != *USER {
                    return Err(WRONG_PASS);
                }
                rest
            }
            [chosen, rest @ ..] if option.eq_ignore_ascii_case(b"setname") => {
                name = Some(client_name(chosen)?);
                rest
            }
            _ => {
                let option = printable(option, 128);
                let text = format!("ERR Syntax error in HELLO option '{option}'");
                return Err(Reply::Error(text.into()));
            }
        };
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn versions_and_options_are_checked() {
        assert!(said("HELLO").contains("Integer(2)"));
        assert!(said("HELLO 3 AUTH default x SETNAME me").contains("Integer(3)"));
        assert_eq!(said("HELLO 4"), "NOPROTO unsupported protocol version");
        assert_eq!(said("HELLO x"), "ERR Protocol version is not an integer or out of range");
        assert_eq!(said("HELLO 3 WAT"), "ERR Syntax error in HELLO option 'WAT'");
        assert!(said("HELLO 3 AUTH me x").starts_with("WRONGPASS "));
    }
}
