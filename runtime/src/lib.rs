//! placeholder

pub mod clock;
pub mod codec;
pub mod disk;
pub mod driver;
pub mod resp;
pub mod store;
pub mod transport;
pub mod whole;
