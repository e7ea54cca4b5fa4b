//! Actors inside the actors of a system.
//!
//! An interpreter runs many actors of one type, so each system joins its kinds of actors in an
//! enum, and their states in another. The coordinator is the same in every system, and a member
//! knows of none: their messages, timers and rows are variants of the system's.

use stateright::actor::{Actor, Command, Out};
use std::borrow::Cow;

/// A coordinator's store, or a member's, inside that of a system's actor: its keys and rows are
/// variants of the system's.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct Nested<S>(pub S);

/// Makes an inner actor's commands those of the actor around it. (The inner one chooses nothing at
/// random.)
pub(crate) fn lift<A: Actor, B: Actor>(
    nested: Out<A>,
    out: &mut Out<B>,
    msg: fn(A::Msg) -> B::Msg,
    timer: fn(A::Timer) -> B::Timer,
    storage: fn(A::Storage) -> B::Storage,
) {
    for command in nested {
        match command {
            Command::Send(dst, inner) => out.send(dst, msg(inner)),
            Command::SetTimer(inner, duration) => out.set_timer(timer(inner), duration),
            Command::CancelTimer(inner) => out.cancel_timer(timer(inner)),
            Command::Save(inner) => out.save(storage(inner)),
            Command::ChooseRandom(..) => {}
        }
    }
}

/// Handles something with the state of an actor that runs, which has none where it does not; a
/// state that was borrowed and not changed stays so, and one that was owned is not copied.
pub(crate) fn with_some<T: Clone>(
    state: &mut Cow<'_, Option<T>>,
    handle: impl FnOnce(&mut Cow<'_, T>),
) {
    match state {
        Cow::Borrowed(whole) => {
            let Some(part) = whole else { return };
            let mut part = Cow::Borrowed(part);
            handle(&mut part);
            if let Cow::Owned(part) = part {
                *state = Cow::Owned(Some(part));
            }
        }
        Cow::Owned(whole) => {
            let Some(part) = whole.take() else { return };
            let mut part = Cow::Owned(part);
            handle(&mut part);
            *whole = Some(part.into_owned());
        }
    }
}

/// Runs `$call` with the part of the state that belongs to the actor, and puts it back; a part that
/// was borrowed and not changed leaves the whole borrowed. An actor that is stopped does nothing.
macro_rules! with_part {
    ($state:ident, $whole:ident :: $variant:ident, |$part:ident| $call:expr) => {
        match std::mem::replace($state, Cow::Owned($whole::Stopped)) {
            Cow::Borrowed(whole @ $whole::$variant(part)) => {
                let mut borrowed = Cow::Borrowed(part);
                let $part = &mut borrowed;
                $call;
                *$state = match borrowed {
                    Cow::Borrowed(_) => Cow::Borrowed(whole),
                    Cow::Owned(part) => Cow::Owned($whole::$variant(part)),
                };
            }
            Cow::Owned($whole::$variant(part)) => {
                let mut owned = Cow::Owned(part);
                let $part = &mut owned;
                $call;
                *$state = Cow::Owned($whole::$variant(owned.into_owned()));
            }
            stopped => *$state = stopped,
        }
    };
}

/// Makes [`Nested`] a store of these inner keys and rows inside a store of the outer ones, where
/// both are in these variants.
macro_rules! nested_store {
    ($inner_key:ty, $inner_row:ty, $key:ident :: $keys:ident, $row:ident :: $rows:ident) => {
        impl<S: Store<$key, $row>> Store<$inner_key, $inner_row> for Nested<S> {
            fn get(&self, key: &$inner_key) -> Option<$inner_row> {
                match self.0.get(&$key::$keys(*key)) {
                    Some($row::$rows(row)) => Some(row),
                    _ => None,
                }
            }

            fn put(&mut self, key: $inner_key, row: $inner_row) {
                self.0.put($key::$keys(key), $row::$rows(row));
            }

            fn delete(&mut self, key: &$inner_key) {
                self.0.delete(&$key::$keys(*key));
            }

            fn scan(
                &self,
                from: Bound<&$inner_key>,
                to: Bound<&$inner_key>,
                limit: usize,
            ) -> Vec<($inner_key, $inner_row)> {
                let (from, to) =
                    (from.map(|key| $key::$keys(*key)), to.map(|key| $key::$keys(*key)));
                let rows = self.0.scan(from.as_ref(), to.as_ref(), usize::MAX).into_iter();
                let rows = rows.filter_map(|row| match row {
                    ($key::$keys(key), $row::$rows(row)) => Some((key, row)),
                    _ => None,
                });
                rows.take(limit).collect()
            }
        }
    };
}

pub(crate) use {nested_store, with_part};
