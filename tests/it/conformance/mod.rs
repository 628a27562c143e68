//! What every backend must do, written once.

mod apply;
mod patch;
mod refuse;
mod revert;
mod script;
mod target;
mod together;
