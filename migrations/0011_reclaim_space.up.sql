-- lockgate: no-transaction

-- The rebuild of the fines has left the pages of the old tables behind, and the planner knows
-- nothing of the new ones. VACUUM refuses to run inside a transaction, in SQLite and in PostgreSQL.
VACUUM;

ANALYZE;
