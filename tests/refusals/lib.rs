//! Empty: cargo wants a crate whose tests it runs.
