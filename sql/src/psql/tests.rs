//! What is read of psql, what is refused, and how it is masked.

use lockgate_core::Statement;

use super::*;

/// The variables of a text as they are written.
fn places(text: &str) -> Vec<String> {
    let script = read(text, Connect::Refused);
    assert_eq!(script.problems, [], "{text}");
    script.places.iter().map(|place| text[place.range.clone()].to_owned()).collect()
}

/// What the lines of a text do.
fn whats(text: &str) -> Vec<What> {
    let script = read(text, Connect::Refused);
    assert_eq!(script.problems, [], "{text}");
    script.lines.into_iter().map(|line| line.what).collect()
}

/// The problems of a text: where, what, and what to do.
fn problems(text: &str) -> Vec<String> {
    let script = read(text, Connect::Refused);
    let shown = |problem: &Problem| format!("{}: {}: {}", &text[problem.range.clone()], problem.message, problem.help);
    script.problems.iter().map(shown).collect()
}

fn text(text: &str) -> Vec<Piece> {
    vec![Piece::Text(text.to_owned())]
}

fn variable(name: &str, form: Form) -> Piece {
    Piece::Variable(Variable { name: name.to_owned(), form })
}

#[test]
fn variables_are_where_psql_finds_them() {
    assert_eq!(places("SELECT :a, :'b', :\"c\", :{?d}, x::int, (:e)::text;"), [":a", ":'b'", ":\"c\"", ":{?d}", ":e"]);
    assert_eq!(places("SELECT ':a', \":b\", $$:c$$, E'\\':d', $t$ :'e' $t$; -- :f\n/* :g /* :h */ :i */"), [""; 0]);
    assert_eq!(places("SELECT a[1:2], a[:n], x:=1, y :::z;"), [":2", ":n", ":z"]);
    assert_eq!(places("COPY :\"t\" FROM stdin;\n:a\t:'b'\n\\.\nSELECT :c;"), [":\"t\"", ":c"]);
    assert_eq!(places("SELECT :'a''b', :\"a b\", :{x}, : y, :'z;"), [":'a'"], "the rest is no variable");
    assert_eq!(places("SELECT :ä1;"), [":ä1"]);
    assert_eq!(places("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT :a; END;"), [":a"]);
}

#[test]
fn arguments_are_read_as_psql_reads_them() {
    assert_eq!(
        whats("\\set a 'it''s\\n\\x41\\102' :b':c'\"d  e\"\n"),
        [What::Set(
            "a".to_owned(),
            vec![text("it's\nAB"), vec![variable("b", Form::Plain), Piece::Text(":c\"d  e\"".to_owned())],]
        )]
    );
    assert_eq!(whats("\\set a ''\n\\set b"), [What::Set("a".into(), vec![text("")]), What::Set("b".into(), vec![])]);
    assert_eq!(
        whats("\\set a :'b':\"c\"\n"),
        [What::Set("a".into(), vec![vec![variable("b", Form::Literal), variable("c", Form::Identifier)]])]
    );
    assert_eq!(whats("\\getenv pw APP_PW\n"), [What::GetEnv("pw".into(), "APP_PW".into())]);
    assert_eq!(whats("\\echo -n a  ::b\n"), [What::Echo(vec![text("a"), text("::b")])]);
    assert_eq!(
        whats("\\if :{?a}\n\\elif :b\n\\else\n\\endif\n"),
        [
            What::If(vec![vec![variable("a", Form::IsSet)]]),
            What::Elif(vec![vec![variable("b", Form::Plain)]]),
            What::Else,
            What::EndIf
        ]
    );
    assert_eq!(whats("\\restrict abc\n\\set ON_ERROR_STOP 1\n\\set QUIET\n\\unrestrict abc"), vec![What::Nothing; 4]);
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    for (line, expected) in [
        ("\\! rm x", "no shell is started: give the script what it needs by `\\getenv name VARIABLE`"),
        ("\\copy t from 'x'", "write `COPY … FROM stdin;`"),
        ("\\gset", "end the statement with `;`"),
        ("\\q", "delete it, and what follows it"),
        ("\\set AUTOCOMMIT off", "delete the line"),
        ("\\set ON_ERROR_STOP off", "delete the line"),
        ("\\set a `date`", "give the script what it needs by `\\getenv name VARIABLE`"),
        ("\\set a b\\c", "put it on a line of its own"),
        ("\\set a 1 \\\\ SELECT 1;", "put it on a line of its own"),
        ("\\set a 'b", "close the quote"),
        ("\\set a-b c", "write it like `\\set name value`"),
        ("\\getenv a", "write it like `\\getenv name ENVIRONMENT_VARIABLE`"),
        ("\\i", "write it like `\\i file`"),
        ("\\i :a", "write the path itself"),
        ("\\if", "write it like `\\if :name`"),
        ("\\if maybe", "write `\\if true`, `\\if false`, or a variable"),
        ("\\if 1", "close it in the same file"),
        ("\\else", "delete it, or write the `\\if` in the same file"),
        ("\\connect app", "give each database its own migrations"),
        ("\\d users", "delete it: the commands that are read are `\\connect`"),
        ("\\restrict", "delete the line"),
        ("\\;", "delete it"),
    ] {
        let found = problems(line);
        assert!(found.len() == 1 && found[0].contains(expected), "{line}: {found:?}");
    }
    let found = problems("SELECT 1\n\\echo a\n;\\if 1\n\\else\n\\elif 1\n\\endif");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("`\\echo` is in the middle of a statement"), "{found:?}");
    assert!(found[1].contains("this `\\elif` follows an `\\else`"), "{found:?}");
}

#[test]
fn a_bootstrap_may_connect() {
    let connects = |line: &str| match read(line, Connect::Allowed) {
        Script { lines, problems, .. } if problems.is_empty() => Some(lines[0].what.clone()),
        _ => None,
    };
    let to = |name: &str| Some(What::Connect(text(name)));
    assert_eq!(connects("\\connect app"), to("app"));
    assert_eq!(connects("\\c \"my app\""), to("my app"));
    assert_eq!(connects("\\connect -reuse-previous=on \"dbname='it\\'s \\\\ \"'\""), None);
    assert_eq!(connects("\\connect -reuse-previous=on \"dbname='it\\'s'\""), to("it's"));
    assert_eq!(connects("\\connect -reuse-previous=on \"dbname='odd \"\"one'\""), to("odd \"one"));
    assert_eq!(connects("\\c \"odd \"\"one\""), to("odd \"one"));
    assert_eq!(connects("\\connect :name"), Some(What::Connect(vec![variable("name", Form::Plain)])));
    for refused in ["\\connect", "\\connect app someone", "\\connect -", "\\connect host=x", "\\connect \"host=x\""] {
        assert_eq!(connects(refused), None, "{refused}");
    }
}

#[test]
fn the_encoding_is_always_the_same() {
    for line in ["\\encoding UTF8", "\\encoding SQL_ASCII", "\\encoding 'utf-8'"] {
        let script = read(line, Connect::Refused);
        assert_eq!((script.lines[0].what.clone(), script.problems.len()), (What::Nothing, 0), "{line}");
    }
    for line in ["\\encoding LATIN1", "\\encoding", "\\encoding :name"] {
        assert_eq!(read(line, Connect::Refused).problems.len(), 1, "{line}");
    }
}

#[test]
fn a_script_of_one_database_may_name_that_one() {
    let within = |line: &str| read(line, Connect::Within("my app"));
    assert_eq!(within("\\connect \"my app\"").lines[0].what, What::Nothing);
    assert_eq!(within("\\connect -reuse-previous=on \"dbname='my app'\"").problems, []);
    for line in ["\\connect other", "\\connect :name"] {
        assert_eq!(
            within(line).problems[0].message,
            "`\\connect` would leave the database `my app`, which this script belongs to"
        );
    }
    let transaction = read("\\connect app", Connect::InTransaction);
    assert_eq!(transaction.problems[0].help, "write `-- lockgate: no-transaction` in the head");
}

#[test]
fn a_masked_text_is_as_long_and_can_be_parsed() {
    let text = "SELECT :a, :'b', :\"c\" WHERE :{?long_name} AND ':d' = x::int;";
    let masked = masked(text, &read(text, Connect::Refused).places);
    assert_eq!(masked, "SELECT  a,  'b',  \"c\" WHERE  TRUE         AND ':d' = x::int;");
    assert_eq!(masked.len(), text.len());
}

#[test]
fn a_variable_at_the_beginning_belongs_to_its_statement() {
    let statements = |text: &str| -> Vec<String> {
        let (masked, found) = split(text, &read(text, Connect::Refused).places);
        assert_eq!(found.problems, [], "{text}");
        assert_eq!(masked.len(), text.len());
        let shown = |of: &Statement| format!("{:?} {}", of.kind, &text[of.range.clone()]);
        found.statements.iter().map(shown).collect()
    };
    for (text, expected) in [
        (":delete FROM n;", &["Other :delete FROM n;"][..]),
        (":commit;\n:end", &["Other :commit;", "Other :end"]),
        ("\u{feff}:commit;", &["Other :commit;"]),
        ("SELECT 1;:x;:y;", &["Select SELECT 1;", "Other :x;", "Other :y;"]),
        ("-- :a\n/* :b */:drop TABLE t;", &["Other :drop TABLE t;"]),
        ("\\set a 1\n:a:delete FROM n;", &["PsqlLine \\set a 1", "Other :a:delete FROM n;"]),
        ("(:delete FROM n);", &["Other (:delete FROM n);"]),
        (":'delete' x;:\"delete\" x;:{?delete};", &["Other :'delete' x;", "Other :\"delete\" x;", "Other :{?delete};"]),
        ("COPY t FROM stdin;\n:delete\n\\.\n:delete;", &["Copy COPY t FROM stdin;\n:delete\n\\.", "Other :delete;"]),
        // The value may be something else, so no data follow.
        (":copy t FROM stdin;\nDELETE FROM n;", &["Other :copy t FROM stdin;", "Delete DELETE FROM n;"]),
        ("COPY t FROM :stdin;\nDELETE FROM n;", &["Copy COPY t FROM :stdin;", "Delete DELETE FROM n;"]),
        ("DELETE :from n;", &["Delete DELETE :from n;"]),
        ("::delete FROM n;", &["Other ::delete FROM n;"]),
    ] {
        assert_eq!(statements(text), expected, "{text}");
    }
    let text = " :delete FROM n; DELETE FROM :n;";
    let masked = split(text, &read(text, Connect::Refused).places).0;
    assert_eq!(masked, " _delete FROM n; DELETE FROM  n;");
}

#[test]
fn no_text_makes_the_reader_panic() {
    const PIECES: [&str; 24] = [
        "\\set a ",
        "\\if ",
        "\\endif",
        "\\else",
        "\n",
        ":a",
        ":'a'",
        ":\"",
        ":{?",
        "}",
        "'",
        "\"",
        "\\",
        "`",
        "$$",
        ";",
        "COPY t FROM stdin;",
        "\\.",
        "ä",
        "[",
        ":",
        "\\x4",
        "--",
        "\\connect -reuse-previous=on \"dbname='",
    ];
    let mut state = 1_u64;
    for _ in 0..4_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(PIECES[(state >> 33) as usize % PIECES.len()]);
        }
        let script = read(&text, Connect::Allowed);
        let (masked, found) = split(&text, &script.places);
        assert_eq!(masked.len(), text.len(), "{text:?}");
        let cut = |place: &&Place| {
            let (start, end) = (place.range.start, place.range.end);
            found.statements.iter().any(|statement| start < statement.range.start && statement.range.start < end)
        };
        assert_eq!(script.places.iter().find(cut), None, "{text:?}");
    }
}
