//! The SQL for publications, subscriptions and event triggers.

use crate::backend::postgres::schema::Release;

pub(super) fn replication(release: Release) -> Vec<String> {
    let by = |class: u32, alias: &str| {
        format!(
            "{alias}.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = {class} \
             AND e.objid = {alias}.oid AND e.deptype = 'e')"
        )
    };
    let (columns, filter, schemas) = if release.0 >= 15 {
        (
            "COALESCE(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a \
             WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) || ')', '')",
            "COALESCE(' WHERE ' || pg_get_expr(r.prqual, r.prrelid), '')",
            "(SELECT string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname) FROM pg_publication_namespace s \
             JOIN pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid)",
        )
    } else {
        ("''", "''", "NULL::text")
    };
    let root =
        if release.0 >= 13 { "CASE WHEN p.pubviaroot THEN ', publish_via_partition_root' ELSE '' END" } else { "''" };
    let generated = if release.0 >= 18 {
        "CASE p.pubgencols WHEN 'n' THEN '' WHEN 's' THEN ', publish_generated_columns = stored' \
         ELSE ', publish_generated_columns = ' || p.pubgencols::text END"
    } else {
        "''"
    };
    // Only superusers may read all columns, and nobody needs the connection string.
    let id = if release.0 >= 14 {
        "s.oid"
    } else {
        "(SELECT max(v.subid) FROM pg_stat_subscription v WHERE v.subname = s.subname)"
    };
    let more = [
        (14, "subbinary"),
        (14, "substream"),
        (15, "subtwophasestate"),
        (15, "subdisableonerr"),
        (16, "subpasswordrequired"),
        (16, "subrunasowner"),
        (17, "subfailover"),
        (16, "suborigin"),
        (14, "subsynccommit"),
    ];
    let more = more.into_iter().filter(|(since, _)| release.0 >= *since);
    let more: String = more.map(|(_, name)| format!(", '{name}', s.{name}::text")).collect();
    vec![
        format!(
            "SELECT 'publication' AS kind, 6104::oid AS class, p.oid AS id, 0::oid AS schema, p.pubname::text AS name, 0::oid AS relation, \
             p.pubowner AS owner, 'r'::\"char\" AS letter, NULL::aclitem[] AS acl, 'CREATE PUBLICATION ' || quote_ident(p.pubname) || \
             CASE WHEN p.puballtables THEN ' FOR ALL TABLES' ELSE COALESCE(' FOR ' || NULLIF(concat_ws(', ', \
             (SELECT string_agg('TABLE ' || r.prrelid::regclass || {columns} || {filter}, ', ' ORDER BY r.prrelid::regclass::text) \
             FROM pg_publication_rel r WHERE r.prpubid = p.oid), 'TABLES IN SCHEMA ' || {schemas}), ''), '') END || \
             ' WITH (publish = ' || quote_literal(concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END, \
             CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END)) || {root} || {generated} || ')' AS definition, \
             NULL::text[] AS details FROM pg_publication p WHERE {}",
            by(6104, "p")
        ),
        format!(
            "SELECT 'subscription', 6100, COALESCE({id}, 0), 0, s.subname, 0, s.subowner, 'r', NULL, 'CREATE SUBSCRIPTION ' || \
             quote_ident(s.subname) || ' PUBLICATION ' || (SELECT string_agg(quote_ident(u.name), ', ' ORDER BY u.place) \
             FROM unnest(s.subpublications) WITH ORDINALITY u (name, place)), \
             ARRAY['enabled', s.subenabled::text, 'slot', s.subslotname::text{more}] \
             FROM pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
        ),
        format!(
            "SELECT 'event trigger', 3466, t.oid, 0, t.evtname, 0, t.evtowner, 'r', NULL, 'CREATE EVENT TRIGGER ' || quote_ident(t.evtname) || \
             ' ON ' || t.evtevent || COALESCE(' WHEN TAG IN (' || (SELECT string_agg(quote_literal(g), ', ' ORDER BY g) \
             FROM unnest(t.evttags) g) || ')', '') || ' EXECUTE FUNCTION ' || t.evtfoid::regprocedure, \
             CASE t.evtenabled WHEN 'O' THEN NULL WHEN 'D' THEN ARRAY['enabled', 'false'] WHEN 'R' THEN ARRAY['enabled', 'replica'] \
             ELSE ARRAY['enabled', 'always'] END FROM pg_event_trigger t WHERE {}",
            by(3466, "t")
        ),
    ]
}
