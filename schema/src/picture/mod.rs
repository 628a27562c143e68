//! Pictures of a schema: its tables and foreign keys.

mod geometry;
mod graph;
mod layers;
mod layout;
mod mermaid;
mod svg;

pub use mermaid::mermaid;
pub(crate) use svg::inline;
pub use svg::svg;
