//! Commands that change what the commands behind them mean.
//!
//! A refused command is no harm where what follows it means the same without it. Some commands give
//! what follows another meaning, and a client sends both at once, before it can know of a refusal:
//!
//! - `MULTI`: what stands between it and `EXEC` is to happen all together or not at all, and not
//!   before. There are no transactions here, so `MULTI` is refused, and with it everything up to
//!   `EXEC` or `DISCARD` (or `RESET`, or `QUIT`), each command with an error of its own. `EXEC`
//!   then says what Redis says of a transaction with a mistake in it, which is what client
//!   libraries know to handle.
//! - `WATCH` makes an `EXEC` conditional; `EXEC` is always refused, so what else follows means the
//!   same.
//! - `CLIENT REPLY OFF` and `SKIP` say that replies are not wanted. A client that does not get what
//!   it asked for would take each reply for that of a later command, so these are carried out.
//! - `SELECT`, `ASKING`, `READONLY`, `SUBSCRIBE` and `MONITOR`, where Redis refuses them, leave the
//!   connection as it was, there as here: what follows goes on in database 0, and clients that
//!   pipeline know it.

use super::wire::{Reply, Words};
use super::words::printable;

/// What earlier commands of a connection have made of later ones.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Whether a `MULTI` was refused, and neither `EXEC` nor `DISCARD` has come.
    refusing: bool,
    replies: Replies,
}

/// Whether replies are wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Replies {
    #[default]
    Wanted,
    /// The next command's is not.
    SkipNext,
    Unwanted,
}

/// What is to become of a command.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It means what it says.
    CarryOut,
    /// It is not carried out, and this is its reply.
    Reply(Reply),
}

impl Group {
    /// Looks at a command, before it is known whether there is such a one; also says whether its
    /// reply is wanted.
    pub(super) fn look(&mut self, words: &Words<'_>) -> (Verdict, bool) {
        let wanted = self.replies == Replies::Wanted;
        if self.replies == Replies::SkipNext {
            self.replies = Replies::Wanted;
        }
        let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
        if self.refusing {
            return (self.refuse(&is, words), wanted);
        }
        let client_reply = words.len() == 3
            && is("CLIENT")
            && words.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"reply"));
        if client_reply {
            return self.client_reply(&words[2], wanted);
        }
        let alone = words.len() == 1;
        let error = match () {
            () if alone && is("MULTI") => {
                self.refusing = true;
                NO_TRANSACTIONS
            }
            () if alone && is("EXEC") => "ERR EXEC without MULTI",
            () if alone && is("DISCARD") => "ERR DISCARD without MULTI",
            () if words.len() > 1 && is("WATCH") => NO_WATCH,
            () if alone && is("UNWATCH") => NO_WATCH,
            () if alone && is("RESET") => {
                self.replies = Replies::Wanted;
                return (Verdict::CarryOut, true);
            }
            () => return (Verdict::CarryOut, wanted),
        };
        (Verdict::Reply(Reply::error(error)), wanted)
    }

    /// A command behind a refused `MULTI`.
    fn refuse(&mut self, is: &dyn Fn(&str) -> bool, words: &Words<'_>) -> Verdict {
        let alone = words.len() == 1;
        if alone && (is("EXEC") || is("DISCARD") || is("RESET")) || is("QUIT") {
            self.refusing = false;
        }
        if is("RESET") && alone {
            self.replies = Replies::Wanted;
            return Verdict::CarryOut;
        }
        if is("QUIT") {
            return Verdict::CarryOut;
        }
        if alone && is("DISCARD") {
            return Verdict::Reply(Reply::OK);
        }
        if alone && is("EXEC") {
            return Verdict::Reply(Reply::error(ABORTED));
        }
        let name = printable(&words[0], 128);
        let text = format!(
            "ERR '{name}' was not carried out: it stands behind a MULTI, and transactions are not \
             supported; EXEC or DISCARD ends what is refused"
        );
        Verdict::Reply(Reply::Error(text.into()))
    }

    fn client_reply(&mut self, mode: &[u8], wanted: bool) -> (Verdict, bool) {
        match &mode.to_ascii_uppercase()[..] {
            b"ON" => self.replies = Replies::Wanted,
            b"OFF" => self.replies = Replies::Unwanted,
            b"SKIP" if self.replies == Replies::Unwanted => {}
            b"SKIP" => self.replies = Replies::SkipNext,
            _ => return (Verdict::Reply(Reply::error("ERR syntax error")), wanted),
        }
        (Verdict::Reply(Reply::OK), self.replies == Replies::Wanted)
    }
}

const NO_TRANSACTIONS: &str = "ERR transactions are not supported: nothing is carried out up to \
                               EXEC or DISCARD; SET with IFEQ writes one key on a condition";
const ABORTED: &str = "EXECABORT Transaction discarded because of previous errors: transactions are \
                       not supported, nothing was carried out";
const NO_WATCH: &str = "ERR WATCH and UNWATCH are not supported, as there are no transactions; \
                        SET with IFEQ writes one key on a condition";

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    /// What becomes of commands: `+` carried out, else the reply; in parentheses if it is not
    /// wanted.
    fn run(lines: &[&str]) -> Vec<String> {
        let mut group = Group::default();
        let run = |line: &&str| {
            let words: Vec<_> = line.split(' ').map(|w| Cow::Borrowed(w.as_bytes())).collect();
            let (verdict, wanted) = group.look(&words);
            let said = match verdict {
                Verdict::CarryOut => "+".to_string(),
                Verdict::Reply(Reply::Error(text)) => {
                    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
                }
                Verdict::Reply(reply) => format!("{reply:?}"),
            };
            if wanted { said } else { format!("({said})") }
        };
        lines.iter().map(run).collect()
    }

    #[test]
    fn nothing_between_a_refused_multi_and_its_end_is_carried_out() {
        let ok = r#"Simple("OK")"#;
        for (lines, expected) in [
            (
                &["multi", "SET k v", "MULTI", "WATCH k", "nonsense", "exec", "GET k"][..],
                &[
                    "ERR transactions",
                    "ERR 'SET'",
                    "ERR 'MULTI'",
                    "ERR 'WATCH'",
                    "ERR 'nonsense'",
                    "EXECABORT Transaction",
                    "+",
                ][..],
            ),
            (
                &["MULTI", "SET k v", "DISCARD", "SET k v"],
                &["ERR transactions", "ERR 'SET'", ok, "+"],
            ),
            (
                &["MULTI", "INCR k", "RESET", "INCR k"],
                &["ERR transactions", "ERR 'INCR'", "+", "+"],
            ),
            (
                &["MULTI", "EXEC x", "PING", "QUIT"],
                &["ERR transactions", "ERR 'EXEC'", "ERR 'PING'", "+"],
            ),
            // Redis does not begin a transaction by these either.
            (&["MULTI x", "SET k v", "EXEC", "DISCARD"], &["+", "+", "ERR EXEC", "ERR DISCARD"]),
            (&["WATCH k", "GET k", "UNWATCH"], &["ERR WATCH", "+", "ERR WATCH"]),
            (&["SELECT 1", "SUBSCRIBE c", "ASKING", "MONITOR", "SET k v"], &["+"; 5]),
        ] {
            assert_eq!(run(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn replies_that_are_not_wanted_are_not_sent() {
        let ok = r#"Simple("OK")"#;
        let silent = format!("({ok})");
        for (lines, expected) in [
            (
                &[
                    "client reply off",
                    "SET k v",
                    "CLIENT REPLY SKIP",
                    "GET k",
                    "CLIENT REPLY ON",
                    "GET k",
                ][..],
                &[&silent, "(+)", &silent, "(+)", ok, "+"][..],
            ),
            (&["CLIENT REPLY SKIP", "SET k v", "GET k"], &[&silent, "(+)", "+"]),
            (
                &["CLIENT REPLY SKIP", "MULTI", "GET k", "EXEC"],
                &[&silent, "(ERR transactions)", "ERR 'GET'", "EXECABORT Transaction"],
            ),
            (&["CLIENT REPLY OFF", "RESET", "GET k"], &[&silent, "+", "+"]),
            (&["CLIENT REPLY maybe", "CLIENT REPLY", "GET k"], &["ERR syntax", "+", "+"]),
        ] {
            assert_eq!(run(lines), expected, "{lines:?}");
        }
    }
}
