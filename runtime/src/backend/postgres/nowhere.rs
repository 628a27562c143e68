//! Refuses `\\connect` in a program without the feature `databases`. With the feature, `elsewhere` is built in place of
//! this file. The macro already refuses it while compiling; this is for sets that were made without the macro.

use lockgate_core::Unit;

use super::PostgresBackend;
use super::outside_transaction::{Claim, at_statement};
use crate::backend::Failure;
use crate::error::{Cause, Class};

/// A session in another database, which this build never has.
pub(super) struct Elsewhere {
    pub(super) backend: Box<PostgresBackend<'static>>,
}

impl PostgresBackend<'_> {
    pub(super) async fn run_elsewhere(
        &mut self,
        claim: &Claim<'_>,
        _: &[Unit],
        _: &Unit,
        first: usize,
    ) -> Result<(), Failure> {
        let at = claim.sql.connect_before(first).map_or(first, |(at, _)| at);
        let cause = Cause::new(Class::Usage, "this build does not support `\\connect`")
            .with_advice("enable the feature `databases` of the crate `lockgate`");
        Err(at_statement(at, cause))
    }
}
