//! The words of a command as numbers, and as text for people; the errors that many commands share.

use super::wire::{Reply, Words};
use chainring_model::kv::Value;

/// How many commands or settings may be asked for at once.
const MOST_NAMES: usize = 256;

/// The error of options that make no sense.
pub(super) const SYNTAX: Reply = Reply::error("ERR syntax error");

/// The error of a word that has to be a number.
pub(super) const NOT_AN_INTEGER: Reply =
    Reply::error("ERR value is not an integer or out of range");

/// The error of what only a node can do, in a front door that has none.
pub(super) const NO_NODE: Reply = Reply::error("ERR there is no node behind this door");

/// A number, spelled as Redis wants it.
pub(super) fn number(text: &[u8]) -> Option<i64> {
    // As long as i64::MIN at most, so that nothing long is copied to find out that it is no number.
    if text.len() > 20 { None } else { Value::from(text).as_number() }
}

/// An argument that has to be a number, spelled as Redis wants it.
pub(super) fn integer(words: &Words<'_>, at: usize) -> Result<i64, Reply> {
    words.get(at).and_then(|text| number(text)).ok_or(NOT_AN_INTEGER)
}

/// The words of a command that makes so much of each that they have to be few.
pub(super) fn few<'a, 'b>(words: &'a Words<'b>) -> Result<&'a Words<'b>, Reply> {
    if words.len() > MOST_NAMES {
        return Err(Reply::Error(
            format!("ERR {} names are more than {MOST_NAMES}: ask for fewer at once", words.len())
                .into(),
        ));
    }
    Ok(words)
}

/// Bytes from a client as part of a line of text: at most `longest` of them, and no control
/// characters, which would end the line.
pub(super) fn printable(bytes: &[u8], longest: usize) -> String {
    let bytes = &bytes[..bytes.len().min(longest)];
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
