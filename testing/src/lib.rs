//! What the test harness and the developers' commands share: throwaway database servers ([`server`]), and what the
//! commands ask of a package's test program ([`request`]).

#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod request;
pub mod server;
