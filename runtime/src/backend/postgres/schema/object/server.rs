//! The SQL for extensions, languages, access methods, transforms and default privileges.

pub(super) fn server() -> Vec<String> {
    let by = |class: u32, alias: &str| {
        format!(
            "{alias}.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = {class} \
             AND e.objid = {alias}.oid AND e.deptype = 'e')"
        )
    };
    vec![
        format!(
            "SELECT 'extension' AS kind, 3079::oid AS class, x.oid AS id, 0::oid AS schema, x.extname::text AS name, 0::oid AS relation, \
             x.extowner AS owner, 'r'::\"char\" AS letter, NULL::aclitem[] AS acl, 'CREATE EXTENSION ' || quote_ident(x.extname) || \
             ' WITH SCHEMA ' || quote_ident(n.nspname) || CASE WHEN x.extversion = (SELECT e.default_version FROM pg_available_extensions() e WHERE e.name = x.extname) \
             THEN '' ELSE ' VERSION ' || quote_literal(x.extversion) END AS definition, NULL::text[] AS details \
             FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace WHERE {}",
            by(3079, "x")
        ),
        format!(
            "SELECT 'language', 2612, l.oid, 0, l.lanname, 0, l.lanowner, 'l', l.lanacl, 'CREATE ' || \
             CASE WHEN l.lanpltrusted THEN 'TRUSTED ' ELSE '' END || 'LANGUAGE ' || quote_ident(l.lanname) || \
             COALESCE(' HANDLER ' || NULLIF(l.lanplcallfoid, 0)::regproc, '') || COALESCE(' INLINE ' || NULLIF(l.laninline, 0)::regproc, '') || \
             COALESCE(' VALIDATOR ' || NULLIF(l.lanvalidator, 0)::regproc, ''), NULL FROM pg_language l WHERE {}",
            by(2612, "l")
        ),
        format!(
            "SELECT 'access method', 2601, a.oid, 0, a.amname, 0, 0, 'r', NULL, 'CREATE ACCESS METHOD ' || quote_ident(a.amname) || ' TYPE ' || \
             CASE a.amtype WHEN 't' THEN 'TABLE' WHEN 'i' THEN 'INDEX' ELSE a.amtype::text END || ' HANDLER ' || a.amhandler, NULL \
             FROM pg_am a WHERE {}",
            by(2601, "a")
        ),
        format!(
            "SELECT 'transform', 3576, t.oid, 0, 'FOR ' || format_type(t.trftype, NULL) || ' LANGUAGE ' || quote_ident(l.lanname), 0, 0, 'r', NULL, \
             'CREATE TRANSFORM FOR ' || format_type(t.trftype, NULL) || ' LANGUAGE ' || quote_ident(l.lanname) || ' (' || concat_ws(', ', \
             'FROM SQL WITH FUNCTION ' || NULLIF(t.trffromsql, 0)::regprocedure, 'TO SQL WITH FUNCTION ' || NULLIF(t.trftosql, 0)::regprocedure) || ')', \
             NULL FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang WHERE {}",
            by(3576, "t")
        ),
    ]
}

/// Default privileges of new objects. Those of one schema are added to the global ones, which replace the server's own.
pub(in super::super) const DEFAULT_PRIVILEGES: &str = "SELECT p.oid, p.defaclrole, 'FOR ROLE ' || quote_ident(pg_get_userbyid(p.defaclrole)) || ' ', \
     COALESCE('IN SCHEMA ' || (SELECT quote_ident(n.nspname) FROM pg_namespace n WHERE n.oid = p.defaclnamespace) || ' ', '') || 'ON ' || \
     CASE p.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' \
     WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' ELSE p.defaclobjtype::text END, p.defaclacl, \
     CASE WHEN p.defaclnamespace = 0 THEN acldefault(CASE p.defaclobjtype WHEN 'S' THEN 's' ELSE p.defaclobjtype END, p.defaclrole) END \
     FROM pg_default_acl p";
