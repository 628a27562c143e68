//! The documentation: what each page says, that no text becomes markup, and that links lead somewhere.

use std::collections::BTreeSet;

use lockgate_schema::docs::{FOLDERS, History, MARK, Page, join, pages, split};
use lockgate_schema::{
    Column, Constraint, ConstraintKind, Identity, Meta, Name, ObjectKind, References, Schema, Table, View,
};

use crate::build::{column, constraint, counting, index, object, schema, table, view};

fn keyed(name: &str, more: impl IntoIterator<Item = Column>) -> Table {
    let identity = Some(Identity { always: true, options: counting() });
    let id = Column { not_null: true, identity, ..column("id", "bigint") };
    let key = Constraint {
        columns: vec!["id".to_owned()],
        kind: ConstraintKind::PrimaryKey,
        ..constraint(Some(&format!("{name}_pkey")), "PRIMARY KEY (id)")
    };
    Table { constraints: vec![key], ..table(name, [id].into_iter().chain(more)) }
}

fn refers(table: &mut Table, column: &str, other: &str) {
    table.constraints.push(Constraint {
        columns: vec![column.to_owned()],
        references: Some(References { table: Name::qualified("public", other), columns: vec!["id".to_owned()] }),
        ..constraint(None, &format!("FOREIGN KEY ({column}) REFERENCES {other}(id)"))
    });
}

fn users() -> Table {
    let email = Column {
        not_null: true,
        default: Some("''::text".to_owned()),
        comment: Some("where we write to".to_owned()),
        ..column("email", "text")
    };
    Table {
        meta: Meta { comment: Some("People who can sign in.".to_owned()), ..Meta::default() },
        ..keyed("users", [email])
    }
}

fn posts() -> Table {
    let mut posts = keyed("posts", [Column { not_null: true, ..column("author", "bigint") }]);
    refers(&mut posts, "author", "users");
    posts.indexes.push(index("posts_author", "USING btree (author)"));
    posts
}

/// Three versions: users; posts; and a column, a view, and a trigger.
fn library() -> (Schema, History) {
    let mut history = History::default();
    let mut now = Schema { tables: vec![users()], ..schema() };
    history.record("0001_users", &now);
    now.tables.push(posts());
    history.record("0002_posts", &now);
    now.tables[0].columns.push(column("nick", "text"));
    now.tables[1].columns[1].data_type = "integer".to_owned();
    now.views.push(View { columns: vec![column("id", "bigint")], ..view("readers", "SELECT id FROM users") });
    let definition = "CREATE TRIGGER posts_touch BEFORE UPDATE ON posts";
    now.objects.push(object(ObjectKind::Trigger, "posts_touch", Some("posts"), definition));
    now.objects.push(object(ObjectKind::Function, "touch()", None, "CREATE FUNCTION touch() …"));
    history.record("0003_more", &now);
    (now, history)
}

fn find<'a>(pages: &'a [Page], path: &str) -> &'a str {
    let found = pages.iter().find(|page| page.path == path);
    &found
        .unwrap_or_else(|| panic!("no {path} among {:?}", pages.iter().map(|page| &page.path).collect::<Vec<_>>()))
        .text
}

#[test]
fn the_page_of_a_table_says_everything_about_it() {
    let (schema, history) = library();
    let pages = pages(&schema, "app", &history);
    let expected = r#"<!-- written by `cargo xtask schema --docs`: what is changed here is lost -->

# users

[Schema of app](../README.md) · Table · made by `0001_users`, last changed by `0003_more`

People who can sign in.

## Columns

| Column | Type | NULL | Default | Key | Comment | Made by |
| --- | --- | --- | --- | --- | --- | --- |
| `id` | `bigint` |  | `identity, always` | primary |  | `0001_users` |
| `email` | `text` |  | `''::text` |  | where we write to | `0001_users` |
| `nick` | `text` | yes |  |  |  | `0003_more` |

## Constraints

| Name | Definition | Made by |
| --- | --- | --- |
| `users_pkey` | `PRIMARY KEY (id)` | `0001_users` |

## Referred to by

* [posts](../tables/posts.md) `author` → `id`

## Picture

```mermaid
erDiagram
    "posts" {
        bigint id PK
        integer author FK
    }
    "users" {
        bigint id PK
        text email
        text nick "or NULL"
    }
    "users" ||--o{ "posts" : "author"
```

## As text

```text
table public.users
  comment People who can sign in.
  column id bigint NOT NULL IDENTITY ALWAYS
  column email text NOT NULL DEFAULT ''::text
    comment where we write to
  column nick text
  constraint users_pkey PRIMARY KEY (id)
```
"#;
    assert_eq!(find(&pages, "tables/users.md"), expected);
    let posts = find(&pages, "tables/posts.md");
    for says in [
        "| `author` | `integer` |  | → [users](../tables/users.md) | `0002_posts` | `0003_more` |\n",
        "|  | `FOREIGN KEY (author) REFERENCES users(id)` | `0002_posts` |\n",
        "| `posts_author` | `USING btree (author)` | `0002_posts` |\n",
        "## trigger posts_touch on public.posts\n\nMade by `0003_more`.\n\n```text\ntrigger posts_touch",
    ] {
        assert!(posts.contains(says), "{says}: {posts}");
    }
}

#[test]
fn the_index_leads_to_every_page() {
    let (schema, history) = library();
    let pages = pages(&schema, "app", &history);
    let expected = "<!-- written by `cargo xtask schema --docs`: what is changed here is lost -->

# Schema of app

PostgreSQL: 2 tables, 1 view, 1 other object. [As one page, with a picture](index.html)

## Tables

| Name | Columns | Comment | Made by | Last changed by |
| --- | --- | --- | --- | --- |
| [posts](tables/posts.md) | 2 |  | `0002_posts` | `0003_more` |
| [users](tables/users.md) | 3 | People who can sign in. | `0001_users` | `0003_more` |

## Views

| Name | Columns | Made by |
| --- | --- | --- |
| [readers](views/readers.md) | 1 | `0003_more` |

## Other objects

* [function public.touch()](other.md)
";
    assert_eq!(find(&pages, "README.md"), expected);
    assert!(find(&pages, "views/readers.md").contains("## Query\n\n```sql\nSELECT id FROM users\n```\n"));
    assert!(find(&pages, "other.md").contains("CREATE FUNCTION touch() …"));
    assert!(pages.iter().all(|page| page.text.contains(MARK)));
    let folders: BTreeSet<&str> = pages.iter().filter_map(|page| Some(page.path.split_once('/')?.0)).collect();
    assert_eq!(folders, FOLDERS.into_iter().collect());
    assert_eq!(pages, lockgate_schema::docs::pages(&schema, "app", &history), "the same schema gives the same pages");
}

#[test]
fn pages_survive_the_way_to_another_process() {
    for schema in [library().0, nasty()] {
        let pages = pages(&schema, "app", &History::default());
        assert_eq!(split(&join(&pages)), Some(pages));
    }
    for wrong in ["a", "a\n", "a\nx\n", "a\n9\nb"] {
        assert_eq!(split(wrong), None, "{wrong}");
    }
}

const NASTY: &str =
    "a</script><script>alert(1)</script> | `b` ``` <!-- --> \"c\" 'd' & &lt; [e](f) ![g](h) \\| *i*\n- j\u{0}";

/// Everything that people name or write is nasty.
fn nasty() -> Schema {
    let mut one = Table {
        meta: Meta { comment: Some(NASTY.to_owned()), ..Meta::default() },
        ..keyed(
            "users|`<b>",
            [Column {
                comment: Some(NASTY.to_owned()),
                default: Some(format!("'{NASTY}'")),
                ..column("a|`<i>\\", "\"t|`<u>\"")
            }],
        )
    };
    one.constraints.push(constraint(Some("c|`<s>"), &format!("CHECK (a <> '{NASTY}')")));
    let mut other = keyed("Users|`<b>", [column("to", "bigint")]);
    refers(&mut other, "to", "users|`<b>");
    let definition = format!("SELECT '{NASTY}' AS \"```\"");
    let mut schema = Schema { tables: vec![one, other], ..schema() };
    schema.views.push(view("v</title>", &definition));
    schema.objects.push(object(ObjectKind::Function, "f(\"</pre>\")", None, &definition));
    schema
}

#[test]
fn no_text_becomes_markup_of_the_page() {
    let schema = nasty();
    let mut history = History::default();
    history.record("0001_</code>|`", &schema);
    let pages = pages(&schema, "a</title><b>", &history);
    let page = find(&pages, "index.html");
    assert_eq!(page.matches("<script").count(), 1, "only ours");
    assert_eq!(page.matches("</script").count(), 1);
    assert_eq!(page.matches("<!--").count(), 1, "only the mark");
    for tag in ["<b>", "<i>", "<u>", "<s>", "</title><", "alert(1)<", "\u{0}"] {
        assert!(
            !page.replace("<title>", "").contains(tag) || tag == "</title><" && page.contains("</title>\n"),
            "{tag}"
        );
    }
    // Elements are closed in the order in which they were opened.
    let mut open: Vec<&str> = Vec::new();
    let body = &page[page.find("<html").expect("it is a page")..page.find("<script").expect("it has a script")];
    for tag in body.split('<').skip(1) {
        let name = tag.trim_start_matches('/').split([' ', '>', '\n', '/']).next().unwrap_or_default();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "<{tag}");
        } else if !["meta", "br", "input"].contains(&name)
            && !tag.split('>').next().is_some_and(|tag| tag.ends_with('/'))
        {
            open.push(name);
        }
    }
    assert_eq!(open, ["html", "body"]);
}

#[test]
fn no_text_becomes_markup_of_markdown() {
    let schema = nasty();
    let mut history = History::default();
    history.record("0001_</code>|`", &schema);
    let pages = pages(&schema, "a</title><b>", &history);
    let mut files = BTreeSet::new();
    for page in &pages {
        assert!(files.insert(page.path.to_lowercase()), "{} is there twice where case does not matter", page.path);
        assert!(page.path.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c)), "{}", page.path);
    }
    for page in pages.iter().filter(|page| page.path.ends_with(".md")) {
        let mut fence: Option<&str> = None;
        let mut cells = None;
        for line in page.text.lines() {
            let ticks = line.len() - line.trim_start_matches('`').len();
            if let Some(open) = fence {
                fence = (line != open).then_some(open);
                continue;
            }
            if ticks >= 3 {
                fence = Some(&line[..ticks]);
                continue;
            }
            // All rows of a table have as many cells as its head.
            let pipes = line.matches('|').count();
            if line.starts_with('|') {
                assert_eq!(*cells.get_or_insert(pipes), pipes, "{}: {line}", page.path);
                assert!(line.ends_with(" |"), "{line}");
            } else {
                assert_eq!(pipes, 0, "{}: {line}", page.path);
                cells = None;
            }
            // Outside of code, nothing that was written by people is a tag or a link.
            let outside: String = line.split('`').step_by(2).collect();
            for tag in ["<script", "<b>", "<!-- -->", "[e](f)"] {
                assert!(!outside.contains(tag), "{}: {line}", page.path);
            }
        }
        assert_eq!(fence, None, "{} has an open fence", page.path);
    }
}

#[test]
fn every_link_of_the_page_leads_to_one_place() {
    for (schema, history) in [library(), (nasty(), History::default())] {
        let pages = pages(&schema, "app", &history);
        let page = find(&pages, "index.html");
        let values = |attribute: &str| -> Vec<&str> {
            page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()).collect()
        };
        let ids = values(" id=\"");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{ids:?}");
        let links = values(" href=\"#");
        assert!(links.len() > schema.tables.len(), "{links:?}");
        for link in links {
            assert!(unique.contains(link), "#{link} is nowhere");
        }
        // Nothing is loaded from anywhere.
        for word in ["http://", "https://", " src=", "@import", "url("] {
            assert!(!page.contains(word), "{word}");
        }
    }
}

#[test]
fn history_survives_what_does_not_change_and_forgets_what_is_gone() {
    let mut history = History::default();
    let empty = schema();
    let one = Schema { tables: vec![users()], ..schema() };
    history.record("1", &one);
    history.record("2", &one);
    assert!(find(&pages(&one, "app", &history), "tables/users.md").contains("Table · made by `1`\n"));
    history.record("3", &empty);
    history.record("4", &one);
    assert!(find(&pages(&one, "app", &history), "tables/users.md").contains("Table · made by `4`\n"));
    let without = pages(&one, "app", &History::default());
    assert!(find(&without, "tables/users.md").contains("Table\n\nPeople"), "nothing is said if nothing is known");
    assert!(!find(&without, "index.html").contains("<th scope=\"col\">Since</th>"));
}
