//! The front door, from outside: bytes in, bytes out.

mod bounds;
mod clients;
mod hostile;
mod memory;
mod pipelining;
mod transcript;
