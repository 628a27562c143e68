#[derive(lockgate::Table)]
#[lockgate(tabel = "users", schema)]
struct User {
    #[lockgate(primary_key, unique)]
    id: Option<i64>,
    #[lockgate(primary = true, table = "x")]
    name: String,
    #[lockgate(sql_type = "text NOT NULL", index = 7)]
    nick: String,
    #[lockgate(default = now(), skip)]
    created_at: String,
    #[lockgate(references(Team::id))]
    team: i64,
    #[lockgate(references = "teams(id", on_delete = "delete")]
    other_team: i64,
    #[lockgate(on_delete = "cascade")]
    third_team: i64,
    #[lockgate(check = "length(bio < 200", default = "'new")]
    bio: String,
    #[lockgate(identity, default = 1)]
    number: String,
}

#[derive(lockgate::Table)]
struct Pair(i64, i64);

#[derive(lockgate::Table)]
enum Status {
    Open,
    Closed,
}

#[derive(lockgate::Table)]
struct Page<T> {
    #[lockgate(column = "NAME")]
    title: String,
    name: String,
    body: T,
}

fn main() {}
