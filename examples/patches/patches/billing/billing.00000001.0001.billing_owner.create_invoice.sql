CREATE TABLE invoice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer text NOT NULL,
    cents bigint NOT NULL
);

GRANT SELECT ON invoice TO reporter;

-- The next patch creates a view there.
GRANT USAGE, CREATE ON SCHEMA public TO reporter;
