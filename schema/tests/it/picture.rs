//! Pictures: nothing stands over anything else, everything is inside, and the same schema looks the same.

use lockgate_schema::{Column, Constraint, Name, References, Schema, Table, picture};

use crate::build::{column, constraint, index, schema, table};
use crate::generate::Random;

fn points_to(columns: &[&str], other: &str) -> Constraint {
    Constraint {
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        references: Some(References { table: Name::qualified("public", other), columns: vec!["id".to_owned()] }),
        ..constraint(None, "FOREIGN KEY")
    }
}

fn keyed(name: &str, more: impl IntoIterator<Item = Column>) -> Table {
    let id = Column { not_null: true, ..column("id", "bigint") };
    let key = Constraint { columns: vec!["id".to_owned()], ..constraint(None, "PRIMARY KEY (id)") };
    Table { constraints: vec![key], ..table(name, [id].into_iter().chain(more)) }
}

/// Users, what they wrote, and at most one profile each.
fn library() -> Schema {
    let mut posts = keyed(
        "posts",
        [Column { not_null: true, ..column("author", "bigint") }, column("title", "character varying(40)")],
    );
    posts.constraints.push(points_to(&["author"], "users"));
    let mut profiles = keyed("profiles", [column("user <&>", "bigint")]);
    profiles.constraints.push(points_to(&["user <&>"], "users"));
    let keys = vec!["user <&>".to_owned()];
    profiles.indexes.push(lockgate_schema::Index { unique: true, keys, ..index("one", "(user)") });
    Schema { tables: vec![profiles, posts, keyed("users", [])], ..schema() }
}

/// Any tables that point to any, in circles and to themselves too.
fn tangle(random: &mut Random, count: usize, links: usize) -> Schema {
    let mut tables: Vec<Table> = Vec::new();
    for at in 0..count {
        let columns = (0..random.below(14)).map(|at| column(&format!("column_{at}"), "timestamp with time zone"));
        tables.push(keyed(&format!("table_{at}"), columns.collect::<Vec<_>>()));
    }
    for link in 0..links {
        let (from, to) = (random.below(count), random.below(count));
        let name = format!("link_{link}");
        tables[from].columns.push(Column { not_null: random.maybe(), ..column(&name, "bigint") });
        let key = points_to(&[&name], &format!("table_{to}"));
        tables[from].constraints.push(key);
    }
    Schema { tables, ..schema() }
}

#[derive(Debug)]
struct Card {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).filter_map(|word| word.parse().ok()).collect()
}

fn cards(svg: &str) -> Vec<Card> {
    let groups = svg.split("<g transform=\"translate(").skip(2);
    let card = |group: &str| {
        let (place, rest) = group.split_once(")\">").expect("a place has an end");
        let (size, _) =
            rest.trim_start().strip_prefix("<rect class=\"card\"").expect("a card").split_once("rx").expect("round");
        let (place, size) = (numbers(place), numbers(size));
        Card { x: place[0], y: place[1], width: size[0], height: size[1] }
    };
    groups.map(card).collect()
}

#[test]
fn cards_do_not_overlap_and_are_inside_the_picture() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let count = 1 + random.below(45);
        let links = random.below(60);
        let schema = tangle(&mut random, count, links);
        let svg = picture::svg(&schema);
        assert_eq!(svg, picture::svg(&schema), "seed {seed}");
        let (page, cards) = (numbers(svg.split_once('>').expect("a first tag").0), cards(&svg));
        assert_eq!(cards.len(), count);
        // The namespace's year comes first.
        let [.., width, height] = page[..] else { panic!("{page:?}") };
        for (at, one) in cards.iter().enumerate() {
            assert!(one.x >= 0.0 && one.y >= 0.0, "seed {seed}: {one:?}");
            let (right, bottom) = (one.x + one.width, one.y + one.height);
            assert!(right + 64.0 <= width + 1.0 && bottom + 64.0 <= height, "seed {seed}: {one:?} in {width} {height}");
            for other in &cards[at + 1..] {
                let apart = right <= other.x
                    || other.x + other.width <= one.x
                    || bottom <= other.y
                    || other.y + other.height <= one.y;
                assert!(apart, "seed {seed}: {one:?} {other:?}");
            }
        }
        assert_eq!(svg.matches("class=\"halo\"").count(), links, "seed {seed}");
        for y in
            svg.split("class=\"edge\" d=\"").skip(1).flat_map(|path| numbers(path.split_once('"').expect("an end").0))
        {
            assert!(y > -32.0 && y < width.max(height), "seed {seed}: {y}");
        }
    }
}

#[test]
fn a_picture_shows_tables_columns_and_keys() {
    let svg = picture::svg(&library());
    for part in [
        ">users</text>",
        ">varchar(40)?</text>",
        ">user &lt;&amp;&gt;</text>",
        "<title>posts (author) → users</title>",
        "3 tables, 2 foreign keys",
    ] {
        assert!(svg.contains(part), "`{part}` is missing: {svg}");
    }
    assert_eq!(svg.matches(">PK</text>").count(), 3);
    assert_eq!(svg.matches(">FK</text>").count(), 2);
    assert!(picture::svg(&schema()).contains("0 tables, 0 foreign keys"));
}

#[test]
fn mermaid_gets_tables_keys_and_how_many() {
    let expected = r#"erDiagram
    "posts" {
        bigint id PK
        bigint author FK
        character_varying(40) title "or NULL"
    }
    "profiles" {
        bigint id PK
        bigint user____ FK "or NULL"
    }
    "users" {
        bigint id PK
    }
    "users" ||--o{ "posts" : "author"
    "users" |o--o| "profiles" : "user <&>"
"#;
    assert_eq!(picture::mermaid(&library()), expected);
}

#[test]
fn many_tables_are_shown_with_their_keys() {
    let wide = |at: usize| {
        let mut wide =
            keyed(&format!("t{at}"), (0..20).map(|at| column(&format!("c{at}"), "text")).collect::<Vec<_>>());
        wide.columns.push(column("owner", "bigint"));
        wide.constraints.push(points_to(&["owner"], "t0"));
        wide
    };
    let of = |count| picture::mermaid(&Schema { tables: (0..count).map(wide).collect(), ..schema() });
    assert!(of(24).contains(" c19 "));
    let many = of(25);
    assert!(!many.contains(" c6 ") && many.contains(" c5 ") && many.contains(" owner FK"), "{many}");
    let svg = picture::svg(&Schema { tables: (0..25).map(wide).collect(), ..schema() });
    assert_eq!(svg.matches("… 14 more").count(), 25);
}
