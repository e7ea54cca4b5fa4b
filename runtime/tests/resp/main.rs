//! The front door, from outside: bytes in, bytes out.

mod clients;
mod hostile;
mod memory;
mod pipelining;
mod transcript;
