//! Lockgate's own tests: one binary, real databases, real builds.

mod architecture;
mod cli;
mod conformance;
mod example;
mod hygiene;
mod layering;
mod rebuild;
mod requirements;
mod support;
mod ui;
mod xtask;
