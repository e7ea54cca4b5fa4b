//! What is particular to one command, or to a small family of them.

pub(super) mod flush;
pub(super) mod info;
pub(super) mod sentinel;
