//! Lockgate's own tests: one binary, real databases, real builds.

mod conformance;
mod support;
mod xtask;
