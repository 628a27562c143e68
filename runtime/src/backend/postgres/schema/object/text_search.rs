//! The SQL for text search: parsers, dictionaries, templates, configurations.

fn by(class: u32, alias: &str) -> String {
    format!(
        "{alias}.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = {class} \
         AND e.objid = {alias}.oid AND e.deptype = 'e')"
    )
}

pub(super) fn text_search() -> Vec<String> {
    vec![
        format!(
            "SELECT 'text search parser' AS kind, 3601::oid AS class, p.oid AS id, p.prsnamespace AS schema, p.prsname::text AS name, \
             0::oid AS relation, 0::oid AS owner, 'r'::\"char\" AS letter, NULL::aclitem[] AS acl, 'CREATE TEXT SEARCH PARSER ' || \
             quote_ident(n.nspname) || '.' || quote_ident(p.prsname) || ' (' || concat_ws(', ', 'START = ' || p.prsstart, 'GETTOKEN = ' || p.prstoken, \
             'END = ' || p.prsend, 'HEADLINE = ' || NULLIF(p.prsheadline, 0)::regproc, 'LEXTYPES = ' || p.prslextype) || ')' AS definition, \
             NULL::text[] AS details FROM pg_ts_parser p JOIN pg_namespace n ON n.oid = p.prsnamespace WHERE {}",
            by(3601, "p")
        ),
        format!(
            "SELECT 'text search template', 3764, t.oid, t.tmplnamespace, t.tmplname, 0, 0, 'r', NULL, 'CREATE TEXT SEARCH TEMPLATE ' || \
             quote_ident(n.nspname) || '.' || quote_ident(t.tmplname) || ' (' || concat_ws(', ', 'INIT = ' || NULLIF(t.tmplinit, 0)::regproc, \
             'LEXIZE = ' || t.tmpllexize) || ')', NULL FROM pg_ts_template t JOIN pg_namespace n ON n.oid = t.tmplnamespace WHERE {}",
            by(3764, "t")
        ),
        format!(
            "SELECT 'text search dictionary', 3600, d.oid, d.dictnamespace, d.dictname, 0, d.dictowner, 'r', NULL, \
             'CREATE TEXT SEARCH DICTIONARY ' || quote_ident(n.nspname) || '.' || quote_ident(d.dictname) || ' (TEMPLATE = ' || \
             (SELECT quote_ident(m.nspname) || '.' || quote_ident(t.tmplname) FROM pg_ts_template t \
             JOIN pg_namespace m ON m.oid = t.tmplnamespace WHERE t.oid = d.dicttemplate) || COALESCE(', ' || d.dictinitoption, '') || ')', \
             NULL FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace WHERE {}",
            by(3600, "d")
        ),
        format!(
            "SELECT 'text search configuration', 3602, f.oid, f.cfgnamespace, f.cfgname, 0, f.cfgowner, 'r', NULL, \
             'CREATE TEXT SEARCH CONFIGURATION ' || quote_ident(n.nspname) || '.' || quote_ident(f.cfgname) || ' (PARSER = ' || \
             (SELECT quote_ident(m.nspname) || '.' || quote_ident(p.prsname) FROM pg_ts_parser p \
             JOIN pg_namespace m ON m.oid = p.prsnamespace WHERE p.oid = f.cfgparser) || ')' || \
             COALESCE((SELECT string_agg('; ADD MAPPING FOR ' || quote_ident(k.alias) || ' WITH ' || k.dictionaries, '' ORDER BY k.alias) \
             FROM (SELECT t.alias, string_agg(quote_ident(s.nspname) || '.' || quote_ident(d.dictname), ', ' ORDER BY m.mapseqno) AS dictionaries \
             FROM pg_ts_config_map m JOIN pg_ts_dict d ON d.oid = m.mapdict JOIN pg_namespace s ON s.oid = d.dictnamespace \
             JOIN ts_token_type(f.cfgparser) t ON t.tokid = m.maptokentype WHERE m.mapcfg = f.oid GROUP BY t.alias) k), ''), NULL \
             FROM pg_ts_config f JOIN pg_namespace n ON n.oid = f.cfgnamespace WHERE {}",
            by(3602, "f")
        ),
    ]
}
