//! Lockgate's own tests: one binary, real databases, real builds.

mod cli;
mod conformance;
mod example;
mod support;
mod xtask;
