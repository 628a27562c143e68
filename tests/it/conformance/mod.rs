//! The tests that every backend must pass, written once.

mod apply;
mod look;
mod patch;
mod redo;
mod refuse;
mod repeatable;
mod revert;
mod script;
mod statements;
mod target;
mod together;
