//! What all objects share: schema names, the database owner, comments and labels; and which objects have been read.

use std::collections::{HashMap, HashSet};

use lockgate_schema::{Detail, Meta, Name, Namespace, Owner, Privilege};

use super::acl::privileges;
use super::rows::{Row, rows};
use crate::backend::postgres::sql::literal;
use crate::error::Cause;
use crate::history_table::{TableName, identifier};

/// The catalogues by their oids, which are the same in every release.
pub(super) mod class {
    pub(in super::super) const TYPE: u32 = 1247;
    pub(in super::super) const RELATION: u32 = 1259;
    pub(in super::super) const CONSTRAINT: u32 = 2606;
    pub(in super::super) const NAMESPACE: u32 = 2615;
    pub(in super::super) const EXTENSION: u32 = 3079;
}

/// The oid of `public`, the same in every release.
const PUBLIC: u32 = 2200;

/// The comment that initdb gives `public`; not shown.
const PUBLIC_COMMENT: &str = "standard public schema";

/// The role that owns `public` since PostgreSQL 15. The owner of the database is a member of it.
const DATABASE_OWNER_ROLE: u32 = 6171;

/// The role that made the cluster. It owns what is there before a user comes.
const BOOTSTRAP_ROLE: u32 = 10;

/// The owner of the database, and the owner of the history table: the role that runs the migrations.
pub(super) fn database(own: &TableName) -> String {
    let schema = own
        .schema
        .as_ref()
        .map(|schema| format!(" AND c.relnamespace = to_regnamespace({})", literal(&identifier(schema))));
    format!(
        "SELECT d.oid, d.datdba, COALESCE(h.owner, 0::oid), pg_get_userbyid(h.owner) FROM pg_database d CROSS JOIN \
         (SELECT min(c.relowner::int8)::oid AS owner FROM pg_class c WHERE c.relkind = 'r' AND c.relname = {}{}) h \
         WHERE d.datname = current_database()",
        literal(&own.name),
        schema.unwrap_or_default()
    )
}

pub(super) const NAMESPACES: &str = "SELECT n.oid, CASE WHEN n.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END, \
     n.oid <> pg_my_temp_schema() AND n.nspname ~ '^pg_(toast_)?temp_' AS foreign_temporary, \
     (n.oid >= 16384 OR n.oid = 2200) AND n.nspname !~ '^pg_(toast_)?temp_' AND NOT EXISTS (SELECT FROM pg_depend e \
     WHERE e.classid = 2615 AND e.objid = n.oid AND e.deptype = 'e') AS listed, \
     n.nspowner, pg_get_userbyid(n.nspowner), n.nspacl, \
     CASE WHEN n.nspacl IS NOT NULL THEN acldefault('n', n.nspowner) END FROM pg_namespace n";

pub(super) const COMMENTS: &str = "SELECT classoid, objoid, objsubid, description FROM pg_description \
     WHERE objoid >= 16384 OR (classoid = 2615 AND objoid = 2200)";

pub(super) const LABELS: &str = "SELECT classoid, objoid, objsubid, provider, label FROM pg_seclabel";

/// An object: its catalogue, its oid, and its column or 0.
type Address = (u32, u32, i64);

pub(super) struct CatalogContext<'a> {
    /// Lockgate's history table.
    pub(super) own: &'a TableName,
    database_owner: u32,
    /// The owner of the history table, or 0, and its name.
    migrating_role: (u32, Option<String>),
    /// Schema names by oid. `None` for another session's temporary schema.
    schemas: HashMap<u32, Option<String>>,
    namespaces: Vec<Namespace>,
    comments: HashMap<Address, String>,
    labels: HashMap<Address, Vec<Detail>>,
    seen: HashSet<(u32, u32)>,
}

impl<'a> CatalogContext<'a> {
    pub(super) fn read(own: &'a TableName, answers: [&str; 4]) -> Result<Self, Cause> {
        let [database, namespaces, comments, labels] = answers;
        let mut context = Self {
            own,
            database_owner: 0,
            migrating_role: (0, None),
            schemas: HashMap::new(),
            namespaces: Vec::new(),
            comments: HashMap::new(),
            labels: HashMap::new(),
            seen: HashSet::new(),
        };
        for row in rows(database) {
            let mut row = row?;
            row.oid()?;
            context.database_owner = row.oid()?;
            context.migrating_role = (row.oid()?, row.maybe()?);
        }
        for row in rows(comments) {
            let mut row = row?;
            context.comments.insert((row.oid()?, row.oid()?, row.int()?), row.text()?);
        }
        for row in rows(labels) {
            let mut row = row?;
            let address = (row.oid()?, row.oid()?, row.int()?);
            let label = Detail { name: format!("security label for {}", row.text()?), value: row.text()? };
            let labels = context.labels.entry(address).or_default();
            labels.push(label);
            labels.sort();
        }
        for row in rows(namespaces) {
            context.namespace(row?)?;
        }
        Ok(context)
    }

    fn namespace(&mut self, mut row: Row<'_>) -> Result<(), Cause> {
        let (oid, name) = (row.oid()?, row.text()?);
        let foreign = row.flag()?;
        let listed = row.flag()?;
        self.schemas.insert(oid, (!foreign).then(|| name.clone()));
        self.see(class::NAMESPACE, oid);
        let mut meta = self.owned_meta(class::NAMESPACE, oid, &mut row)?;
        // An administrator lets the role that runs the migrations into a schema; on a throwaway server it needs no leave.
        meta.privileges.retain(|privilege| Some(&privilege.grantee) != self.migrating_role.1.as_ref());
        if oid == PUBLIC {
            meta.comment = match meta.comment {
                Some(comment) if comment == PUBLIC_COMMENT => None,
                None => Some(String::new()),
                other => other,
            };
        }
        if listed && self.own.schema.as_ref().is_none_or(|own| *own != name || oid == PUBLIC) {
            self.namespaces.push(Namespace { name, meta });
        }
        Ok(())
    }

    /// Notes that this object was read, or was left out on purpose.
    pub(super) fn see(&mut self, class: u32, oid: u32) {
        self.seen.insert((class, oid));
    }

    pub(super) fn has_seen(&self, class: u32, oid: u32) -> bool {
        self.seen.contains(&(class, oid))
    }

    /// The qualified name of an object in this schema. `None` for another session's temporary schema.
    pub(super) fn name(&self, schema: u32, name: String) -> Option<Name> {
        if schema == 0 {
            return Some(Name::plain(name));
        }
        let schema = self.schemas.get(&schema)?.clone()?;
        Some(Name { schema: Some(schema), name })
    }

    pub(super) fn comment(&self, class: u32, oid: u32, column: i64) -> Option<String> {
        self.comments.get(&(class, oid, column)).cloned()
    }

    pub(super) fn labels(&self, class: u32, oid: u32, column: i64) -> Vec<Detail> {
        self.labels.get(&(class, oid, column)).cloned().unwrap_or_default()
    }

    /// Reads what every object has. The next cells of the row are the owner's oid (0 for none) and name, the
    /// privileges, and the default privileges.
    pub(super) fn owned_meta(&self, class: u32, oid: u32, row: &mut Row<'_>) -> Result<Meta, Cause> {
        let (owner, name) = (row.oid()?, row.maybe()?);
        let privileges = self.privileges(row)?;
        let owner = match owner {
            0 => None,
            owner if self.is_usual(owner, class, oid) => Some(Owner::Database),
            _ => name.map(Owner::Role),
        };
        let comment = self.comment(class, oid, 0);
        Ok(Meta { owner, privileges, comment, details: self.labels(class, oid, 0) })
    }

    /// Whether this role owns an object because it made the database, or ran the migrations. What such a role is called
    /// differs between databases that are otherwise the same.
    fn is_usual(&self, owner: u32, class: u32, oid: u32) -> bool {
        let makes_all = [self.database_owner, DATABASE_OWNER_ROLE, self.migrating_role.0].contains(&owner);
        // Before PostgreSQL 15 `public` was its, and some extensions only it may create.
        let makes_this = owner == BOOTSTRAP_ROLE && (oid == PUBLIC || class == class::EXTENSION);
        makes_all || makes_this
    }

    /// Whether the migrations run as this role: it owns the history, or, without a history, the database.
    pub(super) fn is_own_role(&self, role: u32) -> bool {
        role == if self.migrating_role.0 == 0 { self.database_owner } else { self.migrating_role.0 }
    }

    fn privileges(&self, row: &mut Row<'_>) -> Result<Vec<Privilege>, Cause> {
        let (acl, default) = (row.maybe_list()?, row.list()?);
        acl.map_or_else(|| Ok(Vec::new()), |acl| privileges(&acl, &default))
    }

    pub(super) fn into_namespaces(mut self) -> Vec<Namespace> {
        self.namespaces.sort_by(|a, b| a.name.cmp(&b.name));
        self.namespaces
    }
}
