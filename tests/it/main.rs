//! Lockgate's own tests: one binary, real databases, real builds.

mod cancel;
mod cli;
mod conformance;
mod crash;
mod example;
mod faults;
mod round_trips;
mod support;
mod xtask;
