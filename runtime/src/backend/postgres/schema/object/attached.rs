//! The SQL for objects of a table or a view: triggers, rules, policies, statistics.

use crate::backend::postgres::schema::Release;
use crate::backend::postgres::schema::relation::READABLE;

/// The state of triggers and rules that are not simply enabled.
const ENABLED: &str = "CASE %.enabled WHEN 'O' THEN NULL WHEN 'D' THEN ARRAY['enabled', 'false'] \
     WHEN 'R' THEN ARRAY['enabled', 'replica'] WHEN 'A' THEN ARRAY['enabled', 'always'] \
     ELSE ARRAY['enabled', %.enabled::text] END";

pub(super) fn attached(release: Release) -> Vec<String> {
    let enabled = |column: &str| ENABLED.replace("%.enabled", column);
    // The triggers of a partition are those of its parent, unless their state was changed.
    let (clone, target) = (
        if release.0 >= 13 {
            "LEFT JOIN pg_trigger u ON u.oid = t.tgparentid"
        } else {
            "LEFT JOIN pg_depend d ON d.classid = 2620 AND d.objid = t.oid AND d.refclassid = 2620 \
             LEFT JOIN pg_trigger u ON u.oid = d.refobjid"
        },
        if release.0 >= 13 {
            "CASE WHEN s.stxstattarget >= 0 THEN ARRAY['statistics', s.stxstattarget::text] END"
        } else {
            "NULL"
        },
    );
    vec![
        format!(
            "SELECT 'trigger' AS kind, 2620::oid AS class, t.oid AS id, 0::oid AS schema, t.tgname::text AS name, \
             t.tgrelid AS relation, 0::oid AS owner, 'r'::\"char\" AS letter, NULL::aclitem[] AS acl, \
             pg_get_triggerdef(t.oid) AS definition, {} AS details FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid {clone} \
             WHERE {READABLE} AND (CASE WHEN u.oid IS NULL THEN NOT t.tgisinternal ELSE t.tgconstraint = 0 AND t.tgenabled <> u.tgenabled END)",
            enabled("t.tgenabled")
        ),
        format!(
            "SELECT 'rule', 2618, r.oid, 0, r.rulename, r.ev_class, 0, 'r', NULL, pg_get_ruledef(r.oid), {} \
             FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE {READABLE} AND r.rulename <> '_RETURN'",
            enabled("r.ev_enabled")
        ),
        format!(
            "SELECT 'policy', 3256, p.oid, 0, p.polname, p.polrelid, 0, 'r', NULL, 'CREATE POLICY ' || quote_ident(p.polname) || \
             ' ON ' || p.polrelid::regclass || CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END || \
             CASE p.polcmd WHEN '*' THEN '' WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' \
             WHEN 'w' THEN ' FOR UPDATE' WHEN 'd' THEN ' FOR DELETE' END || \
             COALESCE(' TO ' || (SELECT string_agg(quote_ident(pg_get_userbyid(m.oid)), ', ' ORDER BY pg_get_userbyid(m.oid)) \
             FROM unnest(p.polroles) m (oid) WHERE m.oid <> 0), '') || \
             COALESCE(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '') || \
             COALESCE(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''), NULL \
             FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE {READABLE}"
        ),
        format!(
            "SELECT 'statistics', 3381, s.oid, s.stxnamespace, s.stxname, s.stxrelid, s.stxowner, 'r', NULL, \
             pg_get_statisticsobjdef(s.oid), {target} FROM pg_statistic_ext s JOIN pg_class c ON c.oid = s.stxrelid WHERE {READABLE}"
        ),
    ]
}
