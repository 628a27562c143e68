//! Forty tests with a database each, and four that run first. The time of the four is subtracted.

static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!();

macro_rules! tests {
    ($pool:ty: $($name:ident)*) => {
        $(
            #[lockgate_harness::test(migrations = crate::MIGRATIONS)]
            async fn $name(db: $pool) {
                let tables: i64 = sqlx::query_scalar(TABLES).fetch_one(&db).await.unwrap();
                assert!(tables > 0);
            }
        )*
    };
}

mod postgres {
    const TABLES: &str = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'bench%'";

    mod warm {
        use super::*;
        tests!(sqlx::PgPool: a b c d);
    }
    mod rest {
        use super::*;
        tests! {
            sqlx::PgPool:
            a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9
            c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 d0 d1 d2 d3 d4 d5 d6 d7 d8 d9
        }
    }
}

mod sqlite {
    const TABLES: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name LIKE 'bench%'";

    mod warm {
        use super::*;
        tests!(sqlx::SqlitePool: a b c d);
    }
    mod rest {
        use super::*;
        tests! {
            sqlx::SqlitePool:
            a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9
            c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 d0 d1 d2 d3 d4 d5 d6 d7 d8 d9
        }
    }
}
