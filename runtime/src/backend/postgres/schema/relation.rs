//! Tables, views, sequences and inheritance.

use std::collections::HashMap;

use lockgate_schema::{
    Detail, Meta, Name, Partition, Persistence, RowSecurity, Sequence, SequenceOptions, Table, TableKind, View,
};

use super::context::{CatalogContext, class};
use super::detail;
use super::rows::{Row, rows};
use crate::error::Cause;

/// A condition: the row of `pg_class c` was created by a user, not by an extension, and is not temporary in another
/// session.
pub(super) const READABLE: &str = "c.oid >= 16384 AND (c.relpersistence <> 't' OR c.relnamespace = pg_my_temp_schema()) \
     AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 1259 AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e')";

/// Formats options like `pg_foreign_server`'s as `a 'b', c 'd'`, with possible secrets masked.
pub(super) fn foreign_options(options: &str) -> String {
    format!(
        "(SELECT string_agg(quote_ident(o.option_name) || ' ' || CASE WHEN o.option_name ~* \
         '(pass|secret|token|key|credential|auth)' THEN '''***''' ELSE quote_literal(o.option_value) END, ', ' \
         ORDER BY o.option_name) FROM pg_options_to_table({options}) o)"
    )
}

pub(super) fn relations() -> String {
    let options = foreign_options("f.ftoptions");
    format!(
        "SELECT c.oid, c.relnamespace, c.relname, c.relkind, c.relpersistence, c.relowner, \
         pg_get_userbyid(c.relowner), c.relacl, CASE WHEN c.relacl IS NOT NULL THEN \
         acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", c.relowner) END, \
         c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relispopulated, c.reloptions, \
         CASE WHEN c.reltoastrelid <> 0 THEN (SELECT t.reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid) END, \
         CASE WHEN c.relam NOT IN (0, 2) THEN (SELECT a.amname FROM pg_am a WHERE a.oid = c.relam) END, \
         CASE WHEN c.reltablespace <> 0 THEN (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = c.reltablespace) END, \
         CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END, \
         CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END, \
         CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END, \
         CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END, \
         (SELECT s.srvname FROM pg_foreign_server s WHERE s.oid = f.ftserver), {options}, \
         c.relkind = 'r' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'set_name') \
         FROM pg_class c LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid \
         WHERE {READABLE} AND c.relkind NOT IN ('i', 'I', 't', 'c')"
    )
}

pub(super) const PARENTS: &str = "SELECT h.inhrelid, h.inhseqno, h.inhparent, p.relnamespace, p.relname \
     FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent ORDER BY h.inhrelid, h.inhseqno";

pub(super) fn sequences() -> String {
    format!(
        "SELECT s.seqrelid, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, \
         s.seqcache, s.seqcycle, d.deptype, COALESCE(d.refobjid, 0::oid), COALESCE(d.refobjsubid, 0) \
         FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid LEFT JOIN pg_depend d ON d.classid = 1259 \
         AND d.objid = s.seqrelid AND d.objsubid = 0 AND d.refclassid = 1259 AND d.refobjsubid > 0 \
         AND d.deptype IN ('a', 'i') WHERE {READABLE}"
    )
}

/// All relations while they are read.
pub(super) struct Relations {
    pub(super) tables: HashMap<u32, Table>,
    pub(super) views: HashMap<u32, View>,
    sequences: HashMap<u32, Unplaced>,
    /// Lockgate's own.
    pub(super) left_out: Vec<u32>,
    /// The parents of a relation, in order: of partitions, indexes of partitions and children.
    pub(super) parents: HashMap<u32, Vec<(u32, Name)>>,
    /// The sequences of identity columns, by table and column.
    pub(super) identities: HashMap<(u32, i64), IdentitySequence>,
    /// The sequences that a column owns, by table and column.
    owned: Vec<(u32, u32, i64)>,
}

/// A sequence whose options are not read yet.
struct Unplaced {
    name: Name,
    persistence: Persistence,
    meta: Meta,
    options: Option<SequenceOptions>,
}

/// The sequence that is part of a column.
pub(super) struct IdentitySequence {
    pub(super) name: Name,
    pub(super) persistence: Persistence,
    pub(super) meta: Meta,
    pub(super) options: SequenceOptions,
}

impl Relations {
    pub(super) fn read(
        context: &mut CatalogContext<'_>,
        relations: &str,
        parents: &str,
        sequences: &str,
    ) -> Result<Self, Cause> {
        let mut found = Self {
            tables: HashMap::new(),
            views: HashMap::new(),
            sequences: HashMap::new(),
            left_out: Vec::new(),
            parents: HashMap::new(),
            identities: HashMap::new(),
            owned: Vec::new(),
        };
        for row in rows(parents) {
            let mut row = row?;
            let (child, _) = (row.oid()?, row.int()?);
            let (parent, schema, name) = (row.oid()?, row.oid()?, row.text()?);
            if let Some(name) = context.name(schema, name) {
                found.parents.entry(child).or_default().push((parent, name));
            }
        }
        for row in rows(relations) {
            found.relation(context, row?)?;
        }
        for row in rows(sequences) {
            found.sequence(row?)?;
        }
        Ok(found)
    }

    fn relation(&mut self, context: &mut CatalogContext<'_>, mut row: Row<'_>) -> Result<(), Cause> {
        let oid = row.oid()?;
        context.see(class::RELATION, oid);
        let Some(name) = context.name(row.oid()?, row.text()?) else { return Ok(()) };
        let kind = row.letter()?;
        let persistence = persistence(row.letter()?);
        let meta = context.owned_meta(class::RELATION, oid, &mut row)?;
        let row_security = match (row.flag()?, row.flag()?) {
            (_, true) => RowSecurity::Forced,
            (true, false) => RowSecurity::Enabled,
            (false, false) => RowSecurity::Off,
        };
        let (identity, populated) = (row.letter()?, row.flag()?);
        let mut options: Vec<_> = row.list()?.iter().map(|option| setting("", option)).collect();
        options.extend(row.list()?.iter().map(|option| setting("toast.", option)));
        for name in ["access method", "tablespace", "of type"] {
            options.extend(row.maybe()?.map(|value| detail(name, value)));
        }
        let (key, bound, query) = (row.maybe()?, row.maybe()?, row.maybe()?);
        let (server, foreign_options, has_set) = (row.maybe()?, row.maybe()?, row.flag()?);
        options.extend(foreign_options.map(|value| detail("options", value)));

        let own = context.own;
        let is_ours = has_set
            && own.schema.as_ref().is_none_or(|schema| name.schema.as_ref() == Some(schema))
            && (name.name == own.name || name.name == own.log().name);
        if is_ours {
            self.left_out.push(oid);
            return Ok(());
        }
        let kind = match kind {
            'v' | 'm' => {
                let materialized = kind == 'm';
                if materialized && !populated {
                    options.push(detail("populated", "false"));
                }
                options.sort();
                let definition = query.ok_or_else(|| super::gone(&name))?;
                let definition = definition.trim().trim_end_matches(';').to_owned();
                let (columns, indexes) = (Vec::new(), Vec::new());
                self.views.insert(oid, View { name, materialized, definition, columns, indexes, options, meta });
                return Ok(());
            }
            'S' => {
                self.sequences.insert(oid, Unplaced { name, persistence, meta, options: None });
                return Ok(());
            }
            'r' => TableKind::Ordinary,
            'p' => TableKind::Partitioned { key: key.ok_or_else(|| super::gone(&name))? },
            'f' => TableKind::Foreign { server: server.unwrap_or_default() },
            other => return Err(super::unknown(&format!("the relation {}, of kind `{other}`", super::shown(&name)))),
        };
        match (identity, &kind) {
            // A foreign table is never replicated.
            (_, TableKind::Foreign { .. }) => {}
            ('f', _) => options.push(detail("replica identity", "full")),
            ('n', _) => options.push(detail("replica identity", "nothing")),
            _ => {}
        }
        options.sort();
        let parents = self.parents.get(&oid).map(Vec::as_slice).unwrap_or_default();
        let mut parents = parents.iter().map(|(_, name)| name.clone());
        let (inherits, partition_of) = match bound {
            None => (parents.collect(), None),
            Some(bound) => (Vec::new(), parents.next_back().map(|parent| Partition { parent, bound })),
        };
        let table = Table {
            name,
            kind,
            persistence,
            columns: Vec::new(),
            constraints: Vec::new(),
            indexes: Vec::new(),
            inherits,
            partition_of,
            row_security,
            options,
            meta,
        };
        self.tables.insert(oid, table);
        Ok(())
    }

    fn sequence(&mut self, mut row: Row<'_>) -> Result<(), Cause> {
        let oid = row.oid()?;
        let options = SequenceOptions {
            data_type: row.text()?,
            start: row.int()?,
            increment: row.int()?,
            min: row.int()?,
            max: row.int()?,
            cache: row.int()?,
            cycle: row.flag()?,
        };
        let (dependency, table, column) = (row.letter()?, row.oid()?, row.int()?);
        if dependency == 'i' {
            if let Some(Unplaced { name, persistence, meta, .. }) = self.sequences.remove(&oid) {
                self.identities.insert((table, column), IdentitySequence { name, persistence, meta, options });
            }
        } else if let Some(sequence) = self.sequences.get_mut(&oid) {
            sequence.options = Some(options);
            if dependency == 'a' {
                self.owned.push((oid, table, column));
            }
        }
        Ok(())
    }

    /// The name of a table or view that is in the schema.
    pub(super) fn name(&self, oid: u32) -> Option<&Name> {
        let table = self.tables.get(&oid).map(|table| &table.name);
        table.or_else(|| self.views.get(&oid).map(|view| &view.name))
    }

    /// Returns the sequences, once the names of columns are known.
    pub(super) fn take_sequences(&mut self, names: &HashMap<(u32, i64), String>) -> Vec<Sequence> {
        let owned: HashMap<_, _> = self.owned.drain(..).map(|(oid, table, column)| (oid, (table, column))).collect();
        let tables = &self.tables;
        let owner = |oid: u32| {
            let at = owned.get(&oid)?;
            Some((tables.get(&at.0)?.name.clone(), names.get(at)?.clone()))
        };
        let place = |(oid, sequence): (u32, Unplaced)| {
            let Unplaced { name, persistence, meta, options } = sequence;
            Some(Sequence { name, options: options?, persistence, owned_by: owner(oid), meta })
        };
        self.sequences.drain().filter_map(place).collect()
    }
}

fn persistence(letter: char) -> Persistence {
    match letter {
        'u' => Persistence::Unlogged,
        't' => Persistence::Temporary,
        _ => Persistence::Permanent,
    }
}

/// `fillfactor=70` as a detail.
pub(super) fn setting(prefix: &str, option: &str) -> Detail {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    detail(&format!("{prefix}{name}"), value)
}
