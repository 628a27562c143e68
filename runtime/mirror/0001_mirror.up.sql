-- lockgate: irreversible "the mirror would be lost"
CREATE SCHEMA lockgate_mirror;

CREATE TABLE lockgate_mirror.database (
    name text PRIMARY KEY,
    identity text NOT NULL,
    seen_at timestamp with time zone NOT NULL
);

CREATE TABLE lockgate_mirror.history (
    database text NOT NULL REFERENCES lockgate_mirror.database ON DELETE CASCADE,
    set_name text NOT NULL,
    version bigint NOT NULL,
    migration text NOT NULL,
    checksum text NOT NULL,
    -- By the clock of that database, in RFC 3339.
    applied_at text NOT NULL,
    applied_by text NOT NULL,
    -- A run was about to revert it or to correct its row, and has not said what became of it.
    leaving boolean NOT NULL DEFAULT false,
    PRIMARY KEY (database, set_name, version)
);

CREATE TABLE lockgate_mirror.log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    logged_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    logged_by text NOT NULL DEFAULT session_user,
    database text NOT NULL,
    event text NOT NULL,
    detail text
);
