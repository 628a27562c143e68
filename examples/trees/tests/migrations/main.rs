//! The tests of the migrations; among them, that `create/` and `deployment/` make the same schema.

lockgate_harness::migration_tests!();
