-- What a hostile role can plant, and more: in `evil` an operator, a function, an aggregate, a type or a relation of
-- the name of each that `pg_catalog` has, and in `public` operators between types for which `pg_catalog` has none.
-- Each says so in the server's log when it runs, which no ROLLBACK takes back.
SET search_path = pg_catalog;
SET check_function_bodies = off;
CREATE SCHEMA plant;
CREATE TABLE plant.failed (kind text, name text, why text);
CREATE SCHEMA evil;
GRANT ALL ON SCHEMA evil TO PUBLIC;

CREATE FUNCTION plant.ran(what pg_catalog.text) RETURNS boolean LANGUAGE plpgsql STABLE
AS $$ BEGIN RAISE LOG 'planted: %', what; RETURN true; END $$;

CREATE PROCEDURE plant.try(kind text, name text, sql text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE sql;
EXCEPTION WHEN OTHERS THEN
    INSERT INTO plant.failed VALUES (kind, name, SQLERRM);
END $$;

CREATE FUNCTION plant.body(what text, returns_set boolean, result oid) RETURNS text LANGUAGE sql AS $$
    SELECT format('LANGUAGE plpgsql AS %L', format('BEGIN RAISE LOG %L, %L; RETURN%s; END', 'planted: %', what,
        CASE WHEN returns_set OR result = 'void'::regtype THEN '' ELSE ' NULL' END))
$$;

DO $$
DECLARE
    f record;
    args text;
    made text;
BEGIN
    -- What takes "any" can be written in C alone: these are errors wherever they run.
    FOR f IN SELECT p.*, format_type(p.prorettype, NULL) AS result, a.aggkind,
        (SELECT string_agg(CASE WHEN p.provariadic <> 0 AND n = p.pronargs THEN 'VARIADIC ' ELSE '' END ||
            format_type(t, NULL), ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS u (t, n)) AS list
        FROM pg_proc p LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
        WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a')
        AND NOT EXISTS (SELECT FROM unnest(p.proargtypes || p.prorettype) t
            WHERE t IN ('internal'::regtype, 'cstring'::regtype, 'trigger'::regtype, 'event_trigger'::regtype))
    LOOP
        args := COALESCE(f.list, '');
        made := CASE WHEN args ~ '"any"' THEN 'LANGUAGE internal AS ''shell_in'''
            ELSE plant.body(f.proname || '(' || args || ')', f.proretset, f.prorettype) END;
        IF f.prokind = 'f' THEN
            CALL plant.try('function', f.proname, format('CREATE FUNCTION evil.%I(%s) RETURNS %s %s %s', f.proname, args,
                CASE WHEN f.proretset THEN 'SETOF' ELSE '' END, f.result, made));
        ELSIF f.aggkind = 'n' THEN
            CALL plant.try('aggregate', f.proname, format('CREATE FUNCTION plant.%I(%s) RETURNS %s %s',
                'step_' || f.oid, concat_ws(', ', f.result, f.list), f.result, made));
            CALL plant.try('aggregate', f.proname, format('CREATE AGGREGATE evil.%I(%s) (SFUNC = plant.%I, STYPE = %s)',
                f.proname, COALESCE(f.list, '*'), 'step_' || f.oid, f.result));
        END IF;
    END LOOP;

    FOR f IN SELECT o.*, format_type(oprleft, NULL) AS l, format_type(oprright, NULL) AS r,
        format_type(oprresult, NULL) AS result
        FROM pg_operator o WHERE oprnamespace = 'pg_catalog'::regnamespace
    LOOP
        CALL plant.try('operator', f.oprname, format('CREATE FUNCTION plant.%I(%s) RETURNS %s %s', 'op_' || f.oid,
            concat_ws(', ', CASE WHEN f.oprleft <> 0 THEN f.l END, f.r), f.result,
            plant.body(concat_ws(' ', f.l, f.oprname, f.r), false, f.oprresult)));
        CALL plant.try('operator', f.oprname, format('CREATE OPERATOR evil.%s (%s RIGHTARG = %s, FUNCTION = plant.%I)',
            f.oprname, CASE WHEN f.oprleft <> 0 THEN 'LEFTARG = ' || f.l || ', ' END, f.r, 'op_' || f.oid));
    END LOOP;

    FOR f IN SELECT DISTINCT o.oprname, l.t AS l, r.t AS r, o.oprresult
        FROM (SELECT DISTINCT ON (oprname) oprname, oprresult FROM pg_operator
            WHERE oprname IN ('=', '<>', '-', '*', '/', '+', '>', '<', '>=', '<=', '||', '~', '~*', '->>', '->', '<<', '|')
            AND oprleft <> 0 AND oprresult::regtype::text !~ '^any' ORDER BY oprname, oid) o,
        unnest('{text,name,"\"char\"",smallint,integer,bigint,oid,numeric,double precision,boolean,timestamp with time zone,interval,regclass,regtype,jsonb,text[],name[]}'::regtype[]) l (t),
        unnest('{text,name,"\"char\"",smallint,integer,bigint,oid,numeric,double precision,boolean,timestamp with time zone,interval,regclass,regtype,jsonb,text[],name[]}'::regtype[]) r (t)
        WHERE NOT EXISTS (SELECT FROM pg_operator x WHERE x.oprname = o.oprname AND x.oprleft = l.t AND x.oprright = r.t)
    LOOP
        made := format('%s %s %s', f.l, f.oprname, f.r);
        EXECUTE format('CREATE FUNCTION plant.%I(%s, %s) RETURNS %s %s', made, f.l, f.r,
            format_type(f.oprresult, NULL), plant.body('public ' || made, false, f.oprresult));
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = plant.%I)',
            f.oprname, f.l, f.r, made);
    END LOOP;

    FOR f IN SELECT typname FROM pg_type
        WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typcategory <> 'A' AND typname <> 'pg_node_tree'
    LOOP
        CALL plant.try('type', f.typname, format('CREATE DOMAIN evil.%I AS pg_catalog.%I CHECK (plant.ran(%L))',
            f.typname, f.typname, 'type ' || f.typname));
    END LOOP;

    FOR f IN SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
    LOOP
        -- No column of a view can be of the type anyarray.
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO args FROM pg_attribute
            WHERE attrelid = format('pg_catalog.%I', f.relname)::regclass AND attnum > 0 AND atttypid <> 'anyarray'::regtype;
        CALL plant.try('relation', f.relname, format('CREATE VIEW evil.%I AS SELECT %s FROM pg_catalog.%I WHERE plant.ran(%L)',
            f.relname, args, f.relname, 'relation ' || f.relname));
    END LOOP;
END $$;
GRANT ALL ON SCHEMA plant TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA evil TO PUBLIC;
