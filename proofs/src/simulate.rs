//! Random walks through systems that are too large to be explored, in virtual time and from a
//! printed seed.
//!
//! Exploring visits every state of a small system. This visits a few states of a large one: the
//! same actors, judged by the same properties after every step that saves or records something; but
//! with the timeouts of production, a network with delays, processes that crash, pause and are cut
//! off, and clocks that differ in rate. (TigerBeetle's VOPR and FoundationDB's simulator are the
//! models for this.) What it finds it can show, and it proves nothing.
//!
//! - [`engine`] is the run; [`weather`] what goes wrong in it; [`dice`] where chance comes from;
//! - [`scene`] says what can be simulated: any system of stateright actors with properties, a
//!   [`Subject`](scene::Subject);
//! - `chain::simulate` and `ring::simulate` are such systems, and `clients` is what their clients
//!   do;
//! - [`simulations`](crate::simulations) takes seeds, and reports.
//!
//! For a while everything goes wrong at random; then it calms down, and within a generous time
//! everything has to be finished. A run in which it is not *did not finish*: that is the one claim
//! of liveness, and it is tested, not proved.
//!
//! # What is not simulated
//!
//! Handlers are atomic steps, as in the models; that a process makes them so is the business of the
//! runtime's own tests, and the mutant *send before save* cannot show here. The lag of a commit
//! behind its turn is a delay of what the turn said, which to others is the same. Clocks differ in
//! rate only within the [clock assumption](crate::chain).

pub(crate) mod clients;
pub mod dice;
pub mod engine;
pub mod scene;
pub mod weather;
