-- lockgate: no-transaction
-- lockgate: lock-timeout 5s
-- lockgate: allow(drop-column) "nothing reads it"
CREATE TABLE IF NOT EXISTS shop.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    note text NOT NULL DEFAULT E'it\'s; \\' CHECK (length(note) < 80),
    "odd; name" jsonb, tags text[] DEFAULT ARRAY['a', 'b'], total numeric(10, 2) GENERATED ALWAYS AS (1 + 2) STORED,
    FOREIGN KEY (id) REFERENCES people (id) ON DELETE SET NULL
) PARTITION BY RANGE (id);
CREATE UNIQUE INDEX CONCURRENTLY i ON orders USING btree (lower(note)) INCLUDE (id) WHERE id > 0;
/* a /* nested; */ comment; */
CREATE OR REPLACE FUNCTION f(a int, OUT b text) RETURNS SETOF text LANGUAGE plpgsql AS $body$
DECLARE r record;
BEGIN
    IF a > 1 THEN RETURN; ELSIF a = 0 THEN RAISE NOTICE 'x %', a; ELSE b := 'y'; END IF;
    FOR r IN SELECT * FROM t LOOP RETURN NEXT r.x; END LOOP;
    EXECUTE $$ SELECT 1; $$;
EXCEPTION WHEN others THEN NULL;
END
$body$;
CREATE FUNCTION g(a int) RETURNS int BEGIN ATOMIC SELECT CASE a WHEN 1 THEN 2 END; SELECT 3; END;
DO $$ BEGIN PERFORM set_config('search_path', '', false); COMMIT; END $$;
ALTER TABLE orders ADD COLUMN c int, ALTER note TYPE varchar(9) USING note::varchar, DROP CONSTRAINT x CASCADE;
WITH x AS MATERIALIZED (SELECT 1 AS a UNION ALL SELECT $1) MERGE INTO t USING x ON t.a = x.a
WHEN MATCHED THEN UPDATE SET b = 2 WHEN NOT MATCHED THEN INSERT VALUES (1, U&'d\0061t');
COPY people (id, name) FROM stdin WITH (FORMAT csv);
1,'a;b
\.
\restrict abc
SELECT 1 \gexec
\copy t from stdin
1
\.
CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b;);
SELECT count(*) FILTER (WHERE a) OVER (PARTITION BY b ORDER BY c ROWS 1 PRECEDING), x -> 'k' ->> 'l' FROM t AS u (a)
LEFT JOIN LATERAL unnest(v) WITH ORDINALITY USING (a) WHERE a IS NOT NULL AND b BETWEEN 1 AND 2 LIMIT 5 FOR UPDATE;
VACUUM (ANALYZE) t; BEGIN; ROLLBACK TO SAVEPOINT s; SET LOCAL role x; GRANT SELECT ON t TO PUBLIC
