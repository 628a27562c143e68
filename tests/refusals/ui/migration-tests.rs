lockgate_harness::migration_tests!("ui/migration-tests/migrations", tests = "ui/migration-tests/tests");

fn main() {}
