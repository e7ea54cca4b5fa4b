//! The front door, from outside: bytes in, bytes out.

mod hostile;
mod memory;
mod pipelining;
mod transcript;
