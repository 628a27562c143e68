//! Lockgate's own tests: one binary, real databases, real builds.

mod architecture;
mod cancel;
mod check;
mod cli;
mod conformance;
mod copy;
mod crash;
mod example;
mod faults;
mod hygiene;
mod layering;
mod rebuild;
mod requirements;
mod round_trips;
mod support;
mod trace;
mod trace_locks;
mod ui;
mod xtask;
