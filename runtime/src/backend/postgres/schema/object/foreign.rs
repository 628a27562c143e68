//! The SQL for foreign data wrappers, servers and user mappings. The server masks options that may be secret.

use crate::backend::postgres::schema::relation::foreign_options;

pub(super) fn foreign() -> Vec<String> {
    let options = |column: &str| format!("COALESCE(' OPTIONS (' || {} || ')', '')", foreign_options(column));
    vec![
        format!(
            "SELECT 'foreign data wrapper' AS kind, 2328::oid AS class, w.oid AS id, 0::oid AS schema, w.fdwname::text AS name, \
             0::oid AS relation, w.fdwowner AS owner, 'F'::\"char\" AS letter, w.fdwacl AS acl, 'CREATE FOREIGN DATA WRAPPER ' || \
             quote_ident(w.fdwname) || COALESCE(' HANDLER ' || NULLIF(w.fdwhandler, 0)::regproc, '') || \
             COALESCE(' VALIDATOR ' || NULLIF(w.fdwvalidator, 0)::regproc, '') || {} AS definition, NULL::text[] AS details \
             FROM pg_foreign_data_wrapper w WHERE w.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 2328 \
             AND e.objid = w.oid AND e.deptype = 'e')",
            options("w.fdwoptions")
        ),
        format!(
            "SELECT 'server', 1417, s.oid, 0, s.srvname, 0, s.srvowner, 'S', s.srvacl, 'CREATE SERVER ' || quote_ident(s.srvname) || \
             COALESCE(' TYPE ' || quote_literal(s.srvtype), '') || COALESCE(' VERSION ' || quote_literal(s.srvversion), '') || \
             ' FOREIGN DATA WRAPPER ' || (SELECT quote_ident(w.fdwname) FROM pg_foreign_data_wrapper w WHERE w.oid = s.srvfdw) || {}, NULL \
             FROM pg_foreign_server s WHERE s.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 1417 \
             AND e.objid = s.oid AND e.deptype = 'e')",
            options("s.srvoptions")
        ),
        // Only superusers may read the catalogue. The view hides options from those who may not see them.
        format!(
            "SELECT 'user mapping', 1418, m.umid, 0, 'FOR ' || CASE WHEN m.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(m.usename) END || ' SERVER ' || quote_ident(m.srvname), 0, 0, 'r', NULL, \
             'CREATE USER MAPPING FOR ' || CASE WHEN m.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(m.usename) END || ' SERVER ' || quote_ident(m.srvname) || {}, NULL \
             FROM pg_user_mappings m WHERE m.umid >= 16384",
            options("m.umoptions")
        ),
    ]
}
