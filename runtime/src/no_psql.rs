//! Refuses psql's lines in a program without the feature `psql`. With the feature, `psql` is built in place of this
//! file. The macro already refuses them while compiling; this is for sets that were made without the macro.

use lockgate_core::{Script, Set, Statement};

use crate::error::{Cause, Error, Place, UNCHANGED};

/// Where variables would get their values from.
#[derive(Clone, Default)]
pub(crate) struct Variables(());

impl Variables {
    pub(crate) fn check(&self, _: &[&Set]) -> Result<(), Error> {
        Ok(())
    }
}

/// A script with psql's lines, which this build never has.
#[derive(Clone, Debug)]
pub(crate) enum PsqlScript {}

impl PsqlScript {
    pub(crate) fn expand(
        id: &str,
        _: &Script,
        _: &'static str,
        _: Vec<Statement>,
        _: &Variables,
    ) -> Result<(Self, String, Vec<Statement>), Error> {
        Err(Error::usage(format!("`{id}` has psql's variables or commands, which this build does not support"))
            .with_help("enable the feature `psql` of the crate `lockgate`")
            .with_state(UNCHANGED))
    }

    pub(crate) fn place(&self, _: &Script, _: usize) -> Place {
        match *self {}
    }

    pub(crate) fn place_of(&self, _: &Script, _: usize) -> Place {
        match *self {}
    }

    pub(crate) fn shown(&self, _: usize) -> &'static str {
        match *self {}
    }

    pub(crate) fn echoes_before(&self, _: usize) -> std::iter::Empty<&str> {
        match *self {}
    }

    pub(crate) fn connect_before(&self, _: usize) -> Option<(usize, &str)> {
        match *self {}
    }

    pub(crate) fn hide(&self, _: &mut Cause) {
        match *self {}
    }
}
