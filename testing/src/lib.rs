//! Shared by the test harness and the developers' commands: throwaway database servers ([`server`]), and the requests of
//! the commands to a package's test program ([`request`]).

#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod request;
pub mod server;
