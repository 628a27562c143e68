mod without {
    lockgate_harness::migration_tests!("ui/migration-tests-dialects/migrations");
}

mod unknown {
    lockgate_harness::migration_tests!("ui/migration-tests-dialects/migrations", dialects = ["oracle", "mysql"]);
}

fn main() {}
