//! Arguments of commands that are numbers, and what is said of those that are not.

use super::wire::{Reply, Words};
use chainring_model::kv::Value;

pub(super) const SYNTAX: &str = "ERR syntax error";
pub(super) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// An argument that has to be a number, spelled as Redis wants it.
pub(super) fn integer(arguments: &Words<'_>, at: usize) -> Result<i64, Reply> {
    arguments.get(at).and_then(|text| number(text)).ok_or(Reply::error(NOT_AN_INTEGER))
}

/// A number, spelled as Redis wants it.
pub(super) fn number(text: &[u8]) -> Option<i64> {
    // As long as i64::MIN at most, so that nothing long is copied to find out that it is no number.
    if text.len() > 20 { None } else { Value::from(text).as_number() }
}
