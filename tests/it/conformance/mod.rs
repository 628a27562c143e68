//! What every backend must do, written once.

mod apply;
mod refuse;
mod revert;
mod script;
mod target;
