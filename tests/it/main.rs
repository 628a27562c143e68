//! Lockgate's own tests: one binary, real databases, real builds.

mod cli;
mod conformance;
mod example;
mod rebuild;
mod support;
mod ui;
mod xtask;
