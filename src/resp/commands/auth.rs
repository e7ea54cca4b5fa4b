//! `AUTH`: there are no passwords.

use crate::resp::command::{Call, Command, Does, Done, LOCAL};
use crate::resp::syntax::{Argument, Kind};
use crate::resp::wire::Reply;
use crate::resp::words::SYNTAX;

pub(super) const AUTH: Command = Command {
    name: "AUTH",
    arity: -2,
    flags: LOCAL,
    group: "connection",
    summary: "There are no passwords: an error, as from a Redis without one.",
    differs: Some(("AUTH, HELLO AUTH", "there are no passwords; every client is `default`")),
    arguments: &[
        Argument::new("username", Kind::Text).optional(),
        Argument::new("password", Kind::Text),
    ],
    run: auth,
    ..Command::NEW
};

/// The only user that there is.
pub(super) const USER: &[u8] = b"default";

/// The error of any other.
pub(super) const WRONG_PASS: Reply =
    Reply::error("WRONGPASS invalid username-password pair or user is disabled.");

const NO_PASSWORD: Reply = Reply::error(
    "ERR AUTH <password> called without any password configured for the default user. Are you sure \
     your configuration is correct?",
);

fn auth(call: &mut Call<'_>) -> Done {
    match &call.words[1..] {
        [_] => Err(NO_PASSWORD),
        [user, _] if **user == *USER => Ok(Does::Reply(Reply::OK)),
        [_, _] => Err(WRONG_PASS),
        _ => Err(SYNTAX),
    }
}

#[cfg(test)]
mod tests {
    use crate::resp::commands::tests::said;

    #[test]
    fn any_password_is_that_of_the_default_user() {
        assert_eq!(said("AUTH default x"), r#"Simple("OK")"#);
        assert!(said("AUTH me x").starts_with("WRONGPASS "));
        assert!(said("AUTH x").starts_with("ERR AUTH <password> called without any password"));
        assert_eq!(said("AUTH a b c"), "ERR syntax error");
    }
}
