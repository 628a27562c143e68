//! `json-schema`: prints the schema of what `--format json` writes.

use crate::answer::{Answer, Body};
use crate::render;

/// The arguments of `json-schema`; there are none.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {}

pub(super) fn run(_: &Arguments) -> Answer {
    Answer::done(Body::Document(render::schema()))
}
