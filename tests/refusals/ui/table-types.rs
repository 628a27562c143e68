use std::collections::HashMap;

enum Status {
    Open,
}

#[derive(lockgate::Table)]
struct Order {
    #[lockgate(primary_key)]
    id: u64,
    status: Status,
    lines: HashMap<String, i32>,
    nested: Vec<Vec<i32>>,
    nothing: Option<Option<i32>>,
    #[lockgate(sql_type = "text")]
    shown: Status,
    #[lockgate(skip)]
    cached: Option<Status>,
}

#[derive(lockgate::Table)]
struct Empty {
    #[lockgate(skip)]
    cached: Option<Status>,
}

fn main() {}
