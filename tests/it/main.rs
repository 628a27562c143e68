//! Lockgate's own tests: one binary, real databases, real builds.

mod support;
mod xtask;
