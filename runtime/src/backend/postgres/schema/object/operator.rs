//! The SQL for casts, operators, operator classes and families, collations and conversions.

use crate::backend::postgres::schema::Release;

/// The members of an operator class or family: the rows of `pg_amop` and `pg_amproc` that meet this condition.
fn members(catalogue: &str, condition: &str) -> String {
    let (line, family) = match catalogue {
        "pg_amop" => (
            "'OPERATOR ' || m.amopstrategy || ' ' || m.amopopr::regoperator || CASE WHEN m.amopsortfamily <> 0 THEN \
             ' FOR ORDER BY ' || (SELECT quote_ident(n.nspname) || '.' || quote_ident(o.opfname) FROM pg_opfamily o \
             JOIN pg_namespace n ON n.oid = o.opfnamespace WHERE o.oid = m.amopsortfamily) ELSE '' END",
            2602,
        ),
        _ => (
            "'FUNCTION ' || m.amprocnum || ' (' || format_type(m.amproclefttype, NULL) || ', ' || \
             format_type(m.amprocrighttype, NULL) || ') ' || m.amproc::regprocedure",
            2603,
        ),
    };
    let condition =
        condition.replace("{family}", &catalogue.replace("pg_", "m.")).replace("{class}", &family.to_string());
    format!("(SELECT string_agg({line}, ', ' ORDER BY {line}) FROM {catalogue} m WHERE {condition})")
}

pub(super) fn operators(release: Release) -> Vec<String> {
    let of_class = "EXISTS (SELECT FROM pg_depend d WHERE d.classid = {class} AND d.objid = m.oid AND d.refclassid = 2616 \
         AND d.refobjid = o.oid)";
    let loose = "{family}family = o.oid AND m.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = {class} \
         AND d.objid = m.oid AND d.refclassid = 2616)";
    let (class_operators, class_functions) = (members("pg_amop", of_class), members("pg_amproc", of_class));
    let (family_operators, family_functions) = (members("pg_amop", loose), members("pg_amproc", loose));
    let by = |class: u32, alias: &str| {
        format!(
            "{alias}.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = {class} \
             AND e.objid = {alias}.oid AND e.deptype IN ('e', 'i'))"
        )
    };
    let locale = match release.0 {
        17.. => "'LOCALE = ' || quote_literal(l.colllocale), 'RULES = ' || quote_literal(l.collicurules)",
        16 => "'LOCALE = ' || quote_literal(l.colliculocale), 'RULES = ' || quote_literal(l.collicurules)",
        15 => "'LOCALE = ' || quote_literal(l.colliculocale)",
        _ => "NULL",
    };
    vec![
        format!(
            "SELECT 'cast' AS kind, 2605::oid AS class, k.oid AS id, 0::oid AS schema, '(' || format_type(k.castsource, NULL) || \
             ' AS ' || format_type(k.casttarget, NULL) || ')' AS name, 0::oid AS relation, 0::oid AS owner, 'r'::\"char\" AS letter, \
             NULL::aclitem[] AS acl, 'CREATE CAST (' || format_type(k.castsource, NULL) || ' AS ' || format_type(k.casttarget, NULL) || \
             ') ' || CASE k.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || k.castfunc::regprocedure WHEN 'b' THEN 'WITHOUT FUNCTION' \
             ELSE 'WITH INOUT' END || CASE k.castcontext WHEN 'i' THEN ' AS IMPLICIT' WHEN 'a' THEN ' AS ASSIGNMENT' ELSE '' END AS definition, \
             NULL::text[] AS details FROM pg_cast k WHERE {}",
            by(2605, "k")
        ),
        format!(
            "SELECT 'operator', 2617, o.oid, o.oprnamespace, o.oprname || '(' || CASE WHEN o.oprleft = 0 THEN 'NONE' ELSE \
             format_type(o.oprleft, NULL) END || ', ' || CASE WHEN o.oprright = 0 THEN 'NONE' ELSE format_type(o.oprright, NULL) END || ')', \
             0, o.oprowner, 'r', NULL, 'CREATE OPERATOR ' || quote_ident(n.nspname) || '.' || o.oprname || ' (' || concat_ws(', ', \
             'FUNCTION = ' || NULLIF(o.oprcode, 0)::regproc, 'LEFTARG = ' || CASE WHEN o.oprleft <> 0 THEN format_type(o.oprleft, NULL) END, \
             'RIGHTARG = ' || CASE WHEN o.oprright <> 0 THEN format_type(o.oprright, NULL) END, \
             'COMMUTATOR = ' || NULLIF(o.oprcom, 0)::regoperator, 'NEGATOR = ' || NULLIF(o.oprnegate, 0)::regoperator, \
             'RESTRICT = ' || NULLIF(o.oprrest, 0)::regproc, 'JOIN = ' || NULLIF(o.oprjoin, 0)::regproc, \
             CASE WHEN o.oprcanhash THEN 'HASHES' END, CASE WHEN o.oprcanmerge THEN 'MERGES' END) || ')', NULL \
             FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE {}",
            by(2617, "o")
        ),
        format!(
            "SELECT 'operator family', 2753, o.oid, o.opfnamespace, o.opfname || ' USING ' || a.amname, 0, o.opfowner, 'r', NULL, \
             'CREATE OPERATOR FAMILY ' || quote_ident(n.nspname) || '.' || quote_ident(o.opfname) || ' USING ' || quote_ident(a.amname) || \
             COALESCE('; ADD ' || NULLIF(concat_ws(', ', {family_operators}, {family_functions}), ''), ''), NULL \
             FROM pg_opfamily o JOIN pg_namespace n ON n.oid = o.opfnamespace JOIN pg_am a ON a.oid = o.opfmethod \
             WHERE ({}) OR EXISTS (SELECT FROM pg_amop m WHERE m.amopfamily = o.oid AND o.oid < 16384 AND m.oid >= 16384 AND NOT EXISTS \
             (SELECT FROM pg_depend d WHERE d.classid = 2602 AND d.objid = m.oid AND (d.refclassid = 2616 OR d.deptype = 'e'))) \
             OR EXISTS (SELECT FROM pg_amproc m WHERE m.amprocfamily = o.oid AND o.oid < 16384 AND m.oid >= 16384 AND NOT EXISTS \
             (SELECT FROM pg_depend d WHERE d.classid = 2603 AND d.objid = m.oid AND (d.refclassid = 2616 OR d.deptype = 'e')))",
            by(2753, "o")
        ),
        format!(
            "SELECT 'operator class', 2616, o.oid, o.opcnamespace, o.opcname || ' USING ' || a.amname, 0, o.opcowner, 'r', NULL, \
             'CREATE OPERATOR CLASS ' || quote_ident(n.nspname) || '.' || quote_ident(o.opcname) || CASE WHEN o.opcdefault THEN ' DEFAULT' \
             ELSE '' END || ' FOR TYPE ' || format_type(o.opcintype, NULL) || ' USING ' || quote_ident(a.amname) || \
             (SELECT ' FAMILY ' || quote_ident(m.nspname) || '.' || quote_ident(f.opfname) FROM pg_opfamily f \
             JOIN pg_namespace m ON m.oid = f.opfnamespace WHERE f.oid = o.opcfamily) || ' AS ' || concat_ws(', ', \
             {class_operators}, {class_functions}, 'STORAGE ' || CASE WHEN o.opckeytype <> 0 THEN format_type(o.opckeytype, NULL) END), NULL \
             FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_am a ON a.oid = o.opcmethod WHERE {}",
            by(2616, "o")
        ),
        format!(
            "SELECT 'collation', 3456, l.oid, l.collnamespace, l.collname, 0, l.collowner, 'r', NULL, \
             'CREATE COLLATION ' || quote_ident(n.nspname) || '.' || quote_ident(l.collname) || ' (' || concat_ws(', ', \
             'PROVIDER = ' || CASE l.collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' \
             WHEN 'd' THEN 'default' ELSE l.collprovider::text END, 'LC_COLLATE = ' || quote_literal(l.collcollate), \
             'LC_CTYPE = ' || quote_literal(l.collctype), {locale}, CASE WHEN NOT l.collisdeterministic THEN 'DETERMINISTIC = false' END) || ')', \
             NULL FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE {}",
            by(3456, "l")
        ),
        format!(
            "SELECT 'conversion', 2607, v.oid, v.connamespace, v.conname, 0, v.conowner, 'r', NULL, 'CREATE ' || \
             CASE WHEN v.condefault THEN 'DEFAULT ' ELSE '' END || 'CONVERSION ' || quote_ident(n.nspname) || '.' || quote_ident(v.conname) || \
             ' FOR ' || quote_literal(pg_encoding_to_char(v.conforencoding)) || ' TO ' || quote_literal(pg_encoding_to_char(v.contoencoding)) || \
             ' FROM ' || v.conproc::regproc, NULL FROM pg_conversion v JOIN pg_namespace n ON n.oid = v.connamespace WHERE {}",
            by(2607, "v")
        ),
    ]
}
