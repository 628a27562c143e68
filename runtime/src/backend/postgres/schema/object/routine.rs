//! The SQL for functions, procedures, window functions and aggregates.

/// The functions of a range or a multirange belong to the range.
pub(super) fn routines() -> Vec<String> {
    let finish_modify =
        "CASE g.aggfinalmodify WHEN 'r' THEN 'READ_ONLY' WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END";
    vec![
        "SELECT CASE p.prokind WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' WHEN 'w' THEN 'window function' \
         ELSE 'routine of kind ' || p.prokind::text END AS kind, 1255::oid AS class, p.oid AS id, p.pronamespace AS schema, \
         p.proname || '(' || oidvectortypes(p.proargtypes) || ')' AS name, 0::oid AS relation, p.proowner AS owner, \
         'f'::\"char\" AS letter, p.proacl AS acl, CASE WHEN p.prokind IN ('f', 'p', 'w') THEN pg_get_functiondef(p.oid) ELSE '' END AS definition, NULL::text[] AS details \
         FROM pg_proc p WHERE p.oid >= 16384 AND p.prokind <> 'a' AND NOT EXISTS (SELECT FROM pg_depend e \
         WHERE e.classid = 1255 AND e.objid = p.oid AND e.deptype IN ('e', 'i'))"
            .to_owned(),
        format!(
            "SELECT 'aggregate', 1255, p.oid, p.pronamespace, p.proname || '(' || oidvectortypes(p.proargtypes) || ')', \
             0, p.proowner, 'f', p.proacl, 'CREATE AGGREGATE ' || quote_ident(n.nspname) || '.' || quote_ident(p.proname) || \
             '(' || pg_get_function_arguments(p.oid) || ') (' || concat_ws(', ', \
             'SFUNC = ' || g.aggtransfn::regproc, 'STYPE = ' || format_type(g.aggtranstype, NULL), \
             'SSPACE = ' || NULLIF(g.aggtransspace, 0), 'FINALFUNC = ' || NULLIF(g.aggfinalfn, 0)::regproc, \
             CASE WHEN g.aggfinalextra THEN 'FINALFUNC_EXTRA' END, \
             'FINALFUNC_MODIFY = ' || {finish_modify}, \
             'COMBINEFUNC = ' || NULLIF(g.aggcombinefn, 0)::regproc, 'SERIALFUNC = ' || NULLIF(g.aggserialfn, 0)::regproc, \
             'DESERIALFUNC = ' || NULLIF(g.aggdeserialfn, 0)::regproc, 'INITCOND = ' || quote_literal(g.agginitval), \
             'MSFUNC = ' || NULLIF(g.aggmtransfn, 0)::regproc, 'MINVFUNC = ' || NULLIF(g.aggminvtransfn, 0)::regproc, \
             'MSTYPE = ' || CASE WHEN g.aggmtranstype <> 0 THEN format_type(g.aggmtranstype, NULL) END, \
             'MSSPACE = ' || NULLIF(g.aggmtransspace, 0), 'MFINALFUNC = ' || NULLIF(g.aggmfinalfn, 0)::regproc, \
             CASE WHEN g.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END, 'MFINALFUNC_MODIFY = ' || g.aggmfinalmodify::text, \
             'MINITCOND = ' || quote_literal(g.aggminitval), 'SORTOP = ' || NULLIF(g.aggsortop, 0)::regoperator, \
             CASE g.aggkind WHEN 'h' THEN 'HYPOTHETICAL' WHEN 'o' THEN 'ORDERED SET' END, \
             'PARALLEL = ' || CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END) || ')', \
             NULL FROM pg_proc p JOIN pg_aggregate g ON g.aggfnoid = p.oid JOIN pg_namespace n ON n.oid = p.pronamespace \
             WHERE p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e \
             WHERE e.classid = 1255 AND e.objid = p.oid AND e.deptype IN ('e', 'i'))"
        ),
    ]
}
