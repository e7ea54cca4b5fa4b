//! A command's answers, gathered until the last has come, and the reply that they make.
//!
//! A command on several keys is one operation for each of them, and each may end in another way.
//! The reply keeps what a reply means for one key: `TRYAGAIN … nothing was changed` stands only
//! where nothing was changed, `UNKNOWN` where something was or may have been; and it says of how
//! many keys what is known.
//!
//! What a reply does not need is not kept: a count is a number, whatever the values weigh. Where
//! the values of a reply exceed its bound, all of them are dropped at once, and the rest is not
//! asked for.

use super::fold::{self, Fold, Many};
use super::job::Answer;
use super::wire::Reply;
use chainring_model::kv::{Outcome, Refusal};

/// The answers to a command so far.
#[derive(Debug)]
pub(super) struct Tally {
    fold: &'static Fold,
    keys: usize,
    /// How many keys are not answered for.
    missing: usize,
    /// For `MGET` and for commands on one key, the answers in the places of their keys.
    answers: Vec<Option<Answer>>,
    /// How many bytes `answers` hold.
    held: usize,
    /// For how many keys a count says 1.
    ones: usize,
    ends: Ends,
    /// The reply instead, once it is known that there is none of the usual kind.
    instead: Option<Reply>,
}

/// How the operations of one command ended: for how many keys what.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    /// They were carried out, whether they found a key or not.
    done: usize,
    /// They were refused, for a reason that will be the same the next time; the first one's error.
    refused: usize,
    why: Option<Reply>,
    /// No replica could be asked in time; nothing has happened and nothing will.
    unavailable: usize,
    /// Their outcome is unknown.
    unknown: usize,
}

impl Tally {
    /// Of a command on so many keys, before the first answer.
    pub(super) fn new(fold: &'static Fold, keys: usize) -> Self {
        let kept = if keys == 1 || fold.many == Many::List { keys } else { 0 };
        Tally {
            fold,
            keys,
            missing: keys,
            answers: (0..kept).map(|_| None).collect(),
            held: 0,
            ones: 0,
            ends: Ends::default(),
            instead: None,
        }
    }

    /// Takes one key's answer. The values of one reply may weigh up to `limit`; one value always
    /// fits, since it was let into the store.
    pub(super) fn take(&mut self, index: usize, answer: Answer, limit: usize) {
        self.missing -= 1;
        if self.instead.is_some() {
            return;
        }
        if self.keys > 1 {
            self.ones += usize::from(self.ends.count(self.fold, &answer));
        }
        let weight = answer.weight();
        let Some(place) = self.answers.get_mut(index) else { return };
        if self.held > 0 && self.held + weight > limit {
            self.give_up(Reply::error(TOO_MUCH));
            return;
        }
        *place = Some(answer);
        self.held += weight;
    }

    /// Replies this, whatever else comes.
    pub(super) fn give_up(&mut self, instead: Reply) {
        self.instead.get_or_insert(instead);
        self.answers = Vec::new();
        self.held = 0;
    }

    /// So many keys have not been asked for, and are not going to be.
    pub(super) fn skip(&mut self, unasked: usize) {
        self.missing -= unasked.min(self.missing);
    }

    /// Whether no further answer makes a difference.
    pub(super) fn is_given_up(&self) -> bool {
        self.instead.is_some()
    }

    /// Whether all keys are answered for.
    pub(super) fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// How many bytes the answers hold.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// The reply, once all keys are answered for.
    pub(super) fn reply(self) -> Reply {
        if let Some(instead) = self.instead {
            return instead;
        }
        let fold = self.fold;
        if self.keys > 1 && self.ends.done < self.keys {
            return self.ends.reply(fold.is_read);
        }
        let mut replies = self.answers.into_iter().flatten().map(|answer| fold.each(answer));
        match fold.many {
            Many::List => match (self.keys, replies.next()) {
                (1, Some(Reply::Error(error))) => Reply::Error(error),
                (_, first) => Reply::Array(first.into_iter().chain(replies).collect()),
            },
            Many::Ok if self.keys > 1 => Reply::OK,
            Many::Count if self.keys > 1 => {
                Reply::Integer(i64::try_from(self.ones).unwrap_or(i64::MAX))
            }
            _ => replies.next().unwrap_or(Reply::Nil),
        }
    }
}

impl Ends {
    /// Counts one key's answer in; whether a count says 1 for it.
    fn count(&mut self, fold: &Fold, answer: &Answer) -> bool {
        let outcome = match answer {
            Answer::Outcome(outcome) => outcome,
            // An exchange is about one key. This one has ended, and what it found is in the reply.
            Answer::Before(_) => {
                self.done += 1;
                return false;
            }
            Answer::Contended => {
                self.unavailable += 1;
                return false;
            }
        };
        match outcome {
            // A read changes nothing, however it ends.
            Outcome::Unknown if !fold.is_read => self.unknown += 1,
            Outcome::Unknown | Outcome::Refused(Refusal::Unavailable) => self.unavailable += 1,
            Outcome::Refused(Refusal::Absent) if fold.many != Many::Ok => self.done += 1,
            Outcome::Refused(refusal) => {
                self.refused += 1;
                self.why.get_or_insert_with(|| fold::refused(*refusal));
            }
            Outcome::Done | Outcome::Value(_) | Outcome::Number(_) => {
                self.done += 1;
                return true;
            }
        }
        false
    }

    /// The reply for several keys of which not all were carried out.
    fn reply(self, is_read: bool) -> Reply {
        let Ends { done, refused, why, unavailable, unknown } = self;
        let keys = done + refused + unavailable + unknown;
        let text = if !is_read && done + unknown > 0 {
            let refusals = match &why {
                Some(Reply::Error(why)) => format!(" ({refused} refused: {why})"),
                _ => String::new(),
            };
            format!(
                "UNKNOWN of {keys} keys: {done} carried out, {} not carried out, {unknown} unknown; \
                 read the keys before trying again{refusals}",
                refused + unavailable
            )
        } else if let Some(Reply::Error(why)) = why {
            format!("{why} ({refused} of {keys} keys; nothing was changed)")
        } else {
            format!(
                "TRYAGAIN no replica could answer before the deadline for {unavailable} of {keys} \
                 keys; nothing was changed"
            )
        };
        Reply::Error(text.into())
    }
}

const TOO_MUCH: &str = "ERR the reply would be too large; ask for fewer keys at once";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::commands::del::REMOVED;
    use crate::resp::commands::exists::FOUND;
    use crate::resp::commands::mget::VALUES;
    use crate::resp::commands::mset::ALL_WRITTEN;
    use chainring_model::kv::Value;

    const DONE: Outcome = Outcome::Done;
    const ABSENT: Outcome = Outcome::Refused(Refusal::Absent);
    const REFUSED: Outcome = Outcome::Refused(Refusal::TooLarge);
    const AWAY: Outcome = Outcome::Refused(Refusal::Unavailable);
    const UNKNOWN: Outcome = Outcome::Unknown;

    fn value() -> Outcome {
        Outcome::Value(Value::from("v".as_bytes()))
    }

    fn reply(fold: &'static Fold, outcomes: &[Outcome]) -> String {
        let mut tally = Tally::new(fold, outcomes.len());
        // The answers come in any order: here from the last to the first.
        for (index, outcome) in outcomes.iter().enumerate().rev() {
            assert!(!tally.is_whole());
            tally.take(index, Answer::Outcome(outcome.clone()), 1 << 20);
        }
        assert!(tally.is_whole());
        match tally.reply() {
            Reply::Error(text) => text.into_owned(),
            reply => format!("{reply:?}"),
        }
    }

    /// What a reply for several keys must say: every way in which three operations can end.
    #[test]
    fn every_combination_says_what_was_changed_and_what_was_not() {
        let ends = [DONE, REFUSED, AWAY, UNKNOWN];
        let all = (0..64).map(|n| [n % 4, n / 4 % 4, n / 16].map(|end: usize| &ends[end]));
        for outcomes in all.map(|outcomes| outcomes.map(Clone::clone)) {
            let count = |end: &Outcome| outcomes.iter().filter(|outcome| *outcome == end).count();
            let (done, unknown) = (count(&DONE), count(&UNKNOWN));
            let (refused, away) = (count(&REFUSED), count(&AWAY));
            for fold in [&REMOVED, &ALL_WRITTEN] {
                let said = reply(fold, &outcomes);
                let changed = done + unknown > 0;
                if done == 3 {
                    let whole = [r#"Integer(3)"#, r#"Simple("OK")"#];
                    assert!(whole.contains(&said.as_str()), "{said}");
                    continue;
                }
                assert_eq!(said.contains("nothing was changed"), !changed, "{outcomes:?} {said}");
                assert_eq!(said.starts_with("UNKNOWN "), changed, "{outcomes:?} {said}");
                let again = !changed && refused == 0;
                assert_eq!(said.starts_with("TRYAGAIN "), again, "{outcomes:?} {said}");
                if changed {
                    let counts = format!(
                        "of 3 keys: {done} carried out, {} not carried out, {unknown} unknown;",
                        refused + away
                    );
                    assert!(said.contains(&counts), "{outcomes:?} {said}");
                    let why = format!("({refused} refused: ERR a key is longer");
                    assert_eq!(said.contains(&why), refused > 0, "{outcomes:?} {said}");
                } else {
                    let which = if refused > 0 { refused } else { away };
                    assert!(said.contains(&format!("{which} of 3 keys")), "{outcomes:?} {said}");
                }
            }
        }
    }

    #[test]
    fn reads_of_several_keys_change_nothing() {
        for (outcomes, expected) in [
            (vec![value(), ABSENT], "Integer(1)"),
            (vec![value(), value(), value()], "Integer(3)"),
            (
                vec![value(), AWAY],
                "TRYAGAIN no replica could answer before the deadline for 1 of 2 keys; nothing was \
                 changed",
            ),
            (
                vec![UNKNOWN, AWAY, ABSENT],
                "TRYAGAIN no replica could answer before the deadline for 2 of 3 keys; nothing was \
                 changed",
            ),
        ] {
            assert_eq!(reply(&FOUND, &outcomes), expected);
            if expected.starts_with("TRYAGAIN") {
                assert_eq!(reply(&VALUES, &outcomes), expected);
            }
        }
        assert!(reply(&VALUES, &[value(), ABSENT]).starts_with("Array([Value("));
        assert_eq!(reply(&VALUES, &[ABSENT]), "Array([Nil])");
        assert_eq!(reply(&REMOVED, &[ABSENT, DONE]), "Integer(1)");
        assert_eq!(reply(&REMOVED, &[ABSENT]), "Integer(0)");
    }

    #[test]
    fn one_key_keeps_its_own_words() {
        let unknown = "UNKNOWN the operation may or may not have happened: its outcome could not be \
                       known in time";
        let away = "TRYAGAIN no replica could answer before the deadline; nothing was changed";
        for fold in [&REMOVED, &ALL_WRITTEN] {
            assert_eq!(reply(fold, &[UNKNOWN]), unknown);
            assert_eq!(reply(fold, &[AWAY]), away);
        }
        assert_eq!(reply(&VALUES, &[AWAY]), away);
        assert_eq!(reply(&FOUND, &[AWAY]), away);
    }

    #[test]
    fn values_beyond_the_bound_are_dropped_at_once_and_a_count_holds_none() {
        let answer = || Answer::Outcome(Outcome::Value(Value::from(vec![b'x'; 600])));
        let mut tally = Tally::new(&VALUES, 100);
        tally.take(0, answer(), 1000);
        assert_eq!((tally.held(), tally.is_given_up()), (600, false));
        tally.take(1, answer(), 1000);
        assert_eq!((tally.held(), tally.is_given_up()), (0, true));
        tally.skip(98);
        assert!(tally.is_whole());
        assert_eq!(tally.reply(), Reply::error(TOO_MUCH));
        let mut tally = Tally::new(&FOUND, 3);
        for at in 0..3 {
            tally.take(at, answer(), 1000);
            assert_eq!(tally.held(), 0);
        }
        assert_eq!(tally.reply(), Reply::Integer(3));
    }
}
