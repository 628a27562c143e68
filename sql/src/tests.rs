//! Scripts and the pieces they are split into, by dialect; what the pieces are is in `classify`,
//! and random scripts are in `random_tokens`.

use lockgate_core::Dialect::{Mysql, Postgres, Sqlite};
use lockgate_core::{Dialect, StatementFlags, StatementKind};

use super::{head_comments, split};

mod classify;
mod effect;
mod random_tokens;
mod units;

/// Splits, and holds that what is not part of a statement is trivia.
#[track_caller]
fn check(dialect: Dialect, text: &str, expected: &[&str]) {
    let split = split(dialect, text);
    let pieces: Vec<&str> = split.statements.iter().map(|statement| &text[statement.range.clone()]).collect();
    assert_eq!(pieces, expected, "{dialect}: {text}");
    assert_eq!(split.problems, [], "{dialect}: {text}");
}

#[track_caller]
fn check_all(text: &str, expected: &[&str]) {
    for dialect in Dialect::ALL {
        check(dialect, text, expected);
    }
}

/// The one problem of a script: its code and the bytes that it points at.
#[track_caller]
fn problem(dialect: Dialect, text: &str) -> (&'static str, &str) {
    let problems = split(dialect, text).problems;
    assert_eq!(problems.len(), 1, "{dialect}: {text}: {problems:?}");
    (problems[0].code, &text[problems[0].range.clone()])
}

#[test]
fn a_statement_ends_after_its_semicolon_or_with_the_text() {
    check_all("SELECT 1; SELECT 2;", &["SELECT 1;", "SELECT 2;"]);
    check_all("SELECT 1;\nSELECT 2\n", &["SELECT 1;", "SELECT 2"]);
    check_all("SELECT 1;SELECT 2", &["SELECT 1;", "SELECT 2"]);
}

#[test]
fn a_text_without_a_statement_has_none() {
    for text in ["", " \r\n\t", ";", " ;; ; ", "-- a comment; only\n", "/* ; */;", "\u{feff}", "\u{feff}-- x"] {
        check_all(text, &[]);
    }
}

#[test]
fn comments_around_a_statement_are_not_part_of_it() {
    check_all("-- one;\nSELECT 1 -- two;\n; /* three; */ SELECT 2 -- four", &["SELECT 1 -- two;\n;", "SELECT 2"]);
    check_all("\u{feff}/* head */SELECT 1;", &["SELECT 1;"]);
}

#[test]
fn semicolons_in_quotes_do_not_end_a_statement() {
    check_all("SELECT 'a;b', 'it''s;'; SELECT 2", &["SELECT 'a;b', 'it''s;';", "SELECT 2"]);
    check_all("SELECT 1 \"a;b\"; SELECT 2", &["SELECT 1 \"a;b\";", "SELECT 2"]);
    check(Postgres, "SELECT \"a\"\";b\"; SELECT 2", &["SELECT \"a\"\";b\";", "SELECT 2"]);
    check(Sqlite, "SELECT [a;b], `a``;b`; SELECT 2", &["SELECT [a;b], `a``;b`;", "SELECT 2"]);
    check(Mysql, "SELECT `a;``b`; SELECT 2", &["SELECT `a;``b`;", "SELECT 2"]);
}

#[test]
fn a_backslash_escapes_in_some_dialects() {
    check(Postgres, r"SELECT '\'; SELECT 2", &[r"SELECT '\';", "SELECT 2"]);
    check(Postgres, r"SELECT E'\';', e'\\'; SELECT 2", &[r"SELECT E'\';', e'\\';", "SELECT 2"]);
    check(Postgres, r"SELECT name'\'; SELECT 2", &[r"SELECT name'\';", "SELECT 2"]);
    check(Postgres, r"SELECT U&'\'; SELECT 2", &[r"SELECT U&'\';", "SELECT 2"]);
    check(Sqlite, r"SELECT '\'; SELECT 2", &[r"SELECT '\';", "SELECT 2"]);
    check(Mysql, r#"SELECT '\';', "\";"; SELECT 2"#, &[r#"SELECT '\';', "\";";"#, "SELECT 2"]);
}

#[test]
fn an_escape_string_continues_after_a_line_break() {
    check(Postgres, "SELECT E'a'\n -- and\n 'it\\';'; SELECT 2", &["SELECT E'a'\n -- and\n 'it\\';';", "SELECT 2"]);
    check(Postgres, "SELECT E'a' '\\'; SELECT 2", &["SELECT E'a' '\\';", "SELECT 2"]);
}

#[test]
fn dollar_quotes_end_with_their_own_tag() {
    check(Postgres, "DO $$ a; $x$ b; $$; SELECT 2", &["DO $$ a; $x$ b; $$;", "SELECT 2"]);
    check(Postgres, "DO $x$ a; $$ b; $X$ $x$; SELECT 2", &["DO $x$ a; $$ b; $X$ $x$;", "SELECT 2"]);
    check(Postgres, "DO $é_1$ a; $$é_1$é_1$; SELECT 2", &["DO $é_1$ a; $$é_1$é_1$;", "SELECT 2"]);
    check(Postgres, "SELECT $1;$1; SELECT a$b$;c$b$", &["SELECT $1;", "$1;", "SELECT a$b$;", "c$b$"]);
    check(Postgres, "SELECT $1$x$;$x$; SELECT 2", &["SELECT $1$x$;$x$;", "SELECT 2"]);
    check(Sqlite, "SELECT $a$; SELECT 2", &["SELECT $a$;", "SELECT 2"]);
}

#[test]
fn comments_nest_only_in_postgres() {
    let text = "SELECT 1 /* /* ; */ ; */; SELECT 2";
    check(Postgres, text, &["SELECT 1 /* /* ; */ ; */;", "SELECT 2"]);
    check(Sqlite, text, &["SELECT 1 /* /* ; */ ;", "*/;", "SELECT 2"]);
    check(Mysql, text, &["SELECT 1 /* /* ; */ ;", "*/;", "SELECT 2"]);
    check(Postgres, "SELECT 1 /*/ ; **/; SELECT 2", &["SELECT 1 /*/ ; **/;", "SELECT 2"]);
    check(Postgres, "SELECT 2*/* ; */3; SELECT 1 +-- ;\n 2", &["SELECT 2*/* ; */3;", "SELECT 1 +-- ;\n 2"]);
}

#[test]
fn the_end_of_a_line_comment_depends_on_the_dialect() {
    check(Postgres, "SELECT 1 -- ;\rSELECT 2;", &["SELECT 1 -- ;\rSELECT 2;"]);
    check(Sqlite, "SELECT 1 -- ;\rSELECT 2;\n", &["SELECT 1"]);
    check(Postgres, "-- a\r;SELECT 2", &["SELECT 2"]);
}

#[test]
fn semicolons_in_parentheses_belong_to_a_rule_of_postgres() {
    let text = "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b;); SELECT 2";
    check(Postgres, text, &["CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b;);", "SELECT 2"]);
    check(Sqlite, "SELECT (1; SELECT 2", &["SELECT (1;", "SELECT 2"]);
    check(Postgres, "SELECT 1); SELECT 2", &["SELECT 1);", "SELECT 2"]);
}

#[test]
fn an_atomic_body_is_one_statement() {
    let body = "CREATE OR REPLACE FUNCTION f(a int) RETURNS int BEGIN ATOMIC
        SELECT CASE a WHEN 1 THEN CASE WHEN true THEN 2 END END;
        SELECT t.end, 1 AS end, 2 AS \"end\", (CASE WHEN a = 1 THEN 2 END) FROM t;
    END;";
    check(Postgres, &format!("{body} SELECT 2"), &[body, "SELECT 2"]);
    let procedure = "create procedure p() begin atomic insert into t values (1); end;";
    check(Postgres, &format!("{procedure} SELECT 2"), &[procedure, "SELECT 2"]);
    let expression = "CREATE FUNCTION begin() RETURNS int RETURN CASE WHEN true THEN 1 END;";
    check(Postgres, &format!("{expression} SELECT 2"), &[expression, "SELECT 2"]);
    check(Postgres, "BEGIN; SELECT 1; END; SELECT 2", &["BEGIN;", "SELECT 1;", "END;", "SELECT 2"]);
}

#[test]
fn data_of_copy_belongs_to_its_statement() {
    let copy = "COPY t (a, b) FROM stdin;\n1\tit's; $$ (\n\\N\t--\n\\.";
    check(Postgres, &format!("{copy}\n\nSELECT 2;"), &[copy, "SELECT 2;"]);
    let windows = "COPY t FROM STDIN WITH (FORMAT csv); -- rows\r\n1;2\r\n\\.";
    check(Postgres, &format!("{windows}\r\nSELECT 2;"), &[windows, "SELECT 2;"]);
    for (text, command, data) in [
        (copy, "COPY t (a, b) FROM stdin;\n", "1\tit's; $$ (\n\\N\t--\n"),
        (windows, "COPY t FROM STDIN WITH (FORMAT csv); -- rows\r\n", "1;2\r\n"),
        ("COPY t FROM stdin;\n\\.\n", "COPY t FROM stdin;\n", ""),
        ("COPY t FROM stdin;\n\n \\.\n\\.", "COPY t FROM stdin;\n", "\n \\.\n"),
    ] {
        let statement = &split(Postgres, text).statements[0];
        assert_eq!((&text[statement.command()], statement.data.clone().map(|data| &text[data])), (command, Some(data)));
    }
    // Servers take stdout for stdin here, as its own tests show.
    check(Postgres, "COPY t FROM stdout;\n1;\n\\.\nSELECT 2", &["COPY t FROM stdout;\n1;\n\\.", "SELECT 2"]);
    for other in ["COPY t FROM 'stdin';", "COPY t TO stdout;", "COPY (SELECT a FROM stdin) TO stdout;"] {
        check(Postgres, &format!("{other}\nSELECT 2;"), &[other, "SELECT 2;"]);
    }
}

#[test]
fn a_psql_line_is_its_own_statement() {
    check(Postgres, "\\restrict it's;\nSELECT 1;\n", &["\\restrict it's;", "SELECT 1;"]);
    check(Postgres, "SELECT 1; \\echo a  \r\nSELECT 2", &["SELECT 1;", "\\echo a", "SELECT 2"]);
    check(Postgres, "SELECT 'DROP TABLE t' \\gexec\nSELECT 2", &["SELECT 'DROP TABLE t'", "\\gexec", "SELECT 2"]);
    check(Postgres, "SELECT 1\\; SELECT 2;", &["SELECT 1", "\\;", "SELECT 2;"]);
    let copy = "\\copy t from stdin\n1;\n\\.";
    check(Postgres, &format!("{copy}\nSELECT 2"), &[copy, "SELECT 2"]);
    check(Postgres, "\\copy t from 'file'\nSELECT 2", &["\\copy t from 'file'", "SELECT 2"]);
    // A blank beyond ASCII is not white space for psql, and does not begin a statement after the line.
    check(Postgres, "\\echo a\u{a0}\nSELECT 2", &["\\echo a\u{a0}", "SELECT 2"]);
}

#[test]
fn a_trigger_of_sqlite_is_one_statement() {
    let trigger = "CREATE TEMP TRIGGER IF NOT EXISTS x AFTER UPDATE ON t WHEN new.a = CASE WHEN 1 THEN 2 END BEGIN
        UPDATE t SET a = CASE WHEN a THEN 1 ELSE 2 END; -- END;
        SELECT 1 AS end;
    END;";
    check(Sqlite, &format!("{trigger} SELECT 2"), &[trigger, "SELECT 2"]);
    let explained = "EXPLAIN QUERY PLAN create trigger x after insert on t begin select 1; end;";
    check(Sqlite, &format!("{explained} SELECT 2"), &[explained, "SELECT 2"]);
    check(Sqlite, "CREATE TRIGGER x AFTER INSERT ON t; SELECT 2", &["CREATE TRIGGER x AFTER INSERT ON t;", "SELECT 2"]);
    check(Sqlite, "BEGIN; SELECT 1; END; SELECT 2", &["BEGIN;", "SELECT 1;", "END;", "SELECT 2"]);
    check(
        Sqlite,
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
        &["CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"],
    );
}

#[test]
fn sqlite_closes_a_comment_at_the_end() {
    check(Sqlite, "SELECT 1; /* the rest;", &["SELECT 1;"]);
}

#[test]
fn mysql_comments_need_their_blank() {
    check(
        Mysql,
        "SELECT 1--1; SELECT 2 # it's;\n; SELECT 3 --\n",
        &["SELECT 1--1;", "SELECT 2 # it's;\n;", "SELECT 3"],
    );
}

#[test]
fn code_within_a_comment_is_code_for_mysql() {
    check(Mysql, "/*!40101 SET NAMES utf8 */; SELECT 2", &["/*!40101 SET NAMES utf8 */;", "SELECT 2"]);
    check(Mysql, "/*M!100100 SELECT 'a*/;' */; SELECT 2", &["/*M!100100 SELECT 'a*/;' */;", "SELECT 2"]);
    check(Mysql, "SELECT /*+ hint; */ 1;/*!999999\\- it's */\nSELECT 2", &["SELECT /*+ hint; */ 1;", "SELECT 2"]);
}

#[test]
fn delimiter_lines_change_what_ends_a_statement() {
    let text =
        "DELIMITER $$\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT '$$'; END$$\ndelimiter ;\r\nSELECT 2; SELECT 3";
    check(
        Mysql,
        text,
        &[
            "DELIMITER $$",
            "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT '$$'; END$$",
            "delimiter ;",
            "SELECT 2;",
            "SELECT 3",
        ],
    );
    check(
        Mysql,
        "DELIMITER //  \nSELECT 4/2; -- //\n//SELECT 2//",
        &["DELIMITER //", "SELECT 4/2; -- //\n//", "SELECT 2//"],
    );
    check(
        Mysql,
        "DELIMITER ;;\n/*!50003 CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @a = 1; END */;;",
        &["DELIMITER ;;", "/*!50003 CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN SET @a = 1; END */;;"],
    );
}

#[test]
fn a_stored_program_of_mysql_needs_no_delimiter_line() {
    for program in [
        "CREATE PROCEDURE p(IN a INT) BEGIN SELECT 1; BEGIN END; SELECT begin FROM t; END;",
        "CREATE DEFINER=`root`@`%` PROCEDURE IF NOT EXISTS p() COMMENT 'x' IF 1 THEN SELECT 1; ELSE SELECT 2; END IF;",
        "CREATE DEFINER=admin@localhost TRIGGER t BEFORE UPDATE ON a FOR EACH ROW
            IF NEW.a <> OLD.a THEN SET NEW.b = IF(NEW.a, 1, 2); ELSEIF NEW.c THEN SET NEW.b = 3; END IF;",
        "CREATE FUNCTION f(a INT) RETURNS INT DETERMINISTIC BEGIN
            DECLARE done, i INT DEFAULT 0;
            DECLARE c CURSOR FOR SELECT CASE WHEN a THEN IF(a, 1, 2) ELSE IF(a, 3, 4) END FROM t;
            DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = IF(a, 1, 2);
            DECLARE EXIT HANDLER FOR SQLEXCEPTION, 1062 BEGIN ROLLBACK; END;
            here: LOOP
                REPEAT SET i = REPEAT('a', 2); SET @end = t.end; UNTIL CASE i WHEN 1 THEN 2 END END REPEAT;
                WHILE i < 3 DO SET i = i + 1; END WHILE;
                CASE i WHEN 1 THEN SELECT 1; ELSE IF a THEN SELECT 2; END IF; END CASE;
                IF NOT EXISTS (SELECT 1) THEN DROP TABLE IF EXISTS t; END IF;
                LEAVE here;
            END LOOP here;
            RETURN (SELECT CASE a WHEN 1 THEN 2 END);
        END;",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DO BEGIN DELETE FROM t; END;",
        "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END;",
        "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t AFTER DELETE ON a FOR EACH ROW
            BEGIN SET @a = 1; SET @b = 2; END */;",
    ] {
        check(Mysql, &format!("{program} SELECT 2"), &[program, "SELECT 2"]);
    }
}

#[test]
fn a_body_of_one_statement_ends_with_it() {
    for program in [
        "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW FOLLOWS u SET NEW.a = CASE WHEN NEW.b THEN 1 ELSE 2 END;",
        "CREATE PROCEDURE p() DROP TABLE IF EXISTS t;",
        "CREATE FUNCTION f(a INT) RETURNS CHAR(1) CHARACTER SET utf8mb4 RETURN IF(a, 'x', 'y');",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO UPDATE t SET a = IF(a, 1, 2);",
        "CREATE TABLE begin (a INT);",
        "BEGIN;",
        "CREATE FUNCTION f RETURNS STRING SONAME 'f.so';",
    ] {
        check(Mysql, &format!("{program} SELECT 2"), &[program, "SELECT 2"]);
    }
}

#[test]
fn an_unterminated_construct_is_reported_at_its_beginning() {
    assert_eq!(problem(Postgres, "SELECT 1; SELECT 'a; b"), ("unterminated-string", "'"));
    assert_eq!(problem(Postgres, "SELECT E'a\\'; b"), ("unterminated-string", "E'"));
    assert_eq!(problem(Mysql, "SELECT \"a\\\";"), ("unterminated-string", "\""));
    assert_eq!(problem(Postgres, "SELECT \"a; b"), ("unterminated-name", "\""));
    assert_eq!(problem(Sqlite, "SELECT [a; b"), ("unterminated-name", "["));
    assert_eq!(problem(Mysql, "SELECT `a; b"), ("unterminated-name", "`"));
    assert_eq!(problem(Postgres, "DO $x$ a; $X$;"), ("unterminated-dollar-quote", "$x$"));
    assert_eq!(problem(Postgres, "SELECT 1; /* /* */"), ("unterminated-comment", "/*"));
    assert_eq!(problem(Mysql, "SELECT 1; /* a"), ("unterminated-comment", "/*"));
    assert_eq!(problem(Mysql, "SELECT 1 /*!40101 + 1;"), ("unterminated-comment", "/*!"));
    assert_eq!(problem(Postgres, "SELECT ((1); SELECT 2"), ("unclosed-parenthesis", "("));
    let atomic = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2;";
    assert_eq!(problem(Postgres, atomic), ("unterminated-body", "BEGIN ATOMIC"));
    let trigger = "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; SELECT 2;";
    assert_eq!(problem(Sqlite, trigger), ("unterminated-body", "BEGIN"));
    assert_eq!(problem(Mysql, "CREATE PROCEDURE p() begin IF 1 THEN SELECT 1; END;"), ("unterminated-body", "begin"));
    assert_eq!(problem(Postgres, "COPY t FROM stdin;\n1\n"), ("unterminated-copy-data", "COPY t FROM stdin;"));
    assert_eq!(problem(Postgres, "COPY t FROM stdin"), ("unterminated-copy-data", "COPY t FROM stdin"));
    let shared = "COPY t FROM stdin; SELECT 1;\n\\.\n";
    assert_eq!(problem(Postgres, shared), ("copy-line-shared", " SELECT 1;"));
    assert_eq!(problem(Mysql, "DELIMITER  \nSELECT 1;"), ("delimiter-missing", "DELIMITER"));
    assert_eq!(problem(Mysql, "DELIMITER 0123456789abcdef"), ("delimiter-too-long", "DELIMITER 0123456789abcdef"));
    assert_eq!(problem(Sqlite, "SELECT '\0'; SELECT '\0';"), ("nul-byte", "\0"));
}

#[test]
fn a_problem_has_a_message_and_a_help() {
    let problem = &split(Postgres, "SELECT 'a").problems[0];
    assert_eq!(
        (&*problem.message, &*problem.help),
        ("this string has no end", "close the quote; a quotation mark within the string is written twice: `'it''s'`")
    );
}

#[test]
fn comments_at_the_head_are_found_before_any_statement() {
    let text =
        "\u{feff}\r\n/* licence -- not this */ --one \r\n# two\n\t--   three: \"x\"\t\n--\n-- é\nSELECT 1; -- four\n";
    let comments: Vec<&str> = head_comments(text).map(|range| &text[range]).collect();
    assert_eq!(comments, ["one", "three: \"x\"", "", "é"]);
    for none in ["", "SELECT 1 -- a", "/*! -- a\n*/", "/* /* */ -- a\n */", "/* -- a\n", "- - a", "; -- a"] {
        assert_eq!(head_comments(none).count(), 0, "{none}");
    }
}
