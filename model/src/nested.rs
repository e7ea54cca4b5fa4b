//! Actors inside the actors of a system.
//!
//! An interpreter runs many actors of one type, so each system joins its kinds of actors in an enum, and
//! their states in another. The coordinator is the same in every system: its messages, timers and rows are a
//! variant of the system's.

use stateright::actor::{Actor, Command, Out};

/// A coordinator's store inside that of a system's actor: its keys and rows are variants of the system's.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct Nested<S>(pub S);

/// Makes an inner actor's commands those of the actor around it. (The inner one chooses nothing at random.)
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

/// Runs `$call` with the part of the state that belongs to the actor, and puts it back; a part that was
/// borrowed and not changed leaves the whole borrowed. An actor that is stopped does nothing.
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

/// Makes [`Nested`] a coordinator's store of these views inside a store of these keys and rows.
macro_rules! nested_store {
    ($view:ty, $key:ident, $row:ident) => {
        impl<S: Store<$key, $row>> Store<coordinator::Key, coordinator::Row<$view>> for Nested<S> {
            fn get(&self, key: &coordinator::Key) -> Option<coordinator::Row<$view>> {
                match self.0.get(&$key::Views(*key)) {
                    Some($row::Views(row)) => Some(row),
                    _ => None,
                }
            }

            fn put(&mut self, key: coordinator::Key, row: coordinator::Row<$view>) {
                self.0.put($key::Views(key), $row::Views(row));
            }

            fn delete(&mut self, key: &coordinator::Key) {
                self.0.delete(&$key::Views(*key));
            }

            fn scan(
                &self,
                from: Bound<&coordinator::Key>,
                to: Bound<&coordinator::Key>,
                limit: usize,
            ) -> Vec<(coordinator::Key, coordinator::Row<$view>)> {
                let (from, to) =
                    (from.map(|key| $key::Views(*key)), to.map(|key| $key::Views(*key)));
                let rows = self.0.scan(from.as_ref(), to.as_ref(), usize::MAX).into_iter();
                let rows = rows.filter_map(|row| match row {
                    ($key::Views(key), $row::Views(row)) => Some((key, row)),
                    _ => None,
                });
                rows.take(limit).collect()
            }
        }
    };
}

pub(crate) use {nested_store, with_part};
