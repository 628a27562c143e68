CREATE TABLE loans (
    id INTEGER NOT NULL PRIMARY KEY,
    copy_id INTEGER NOT NULL REFERENCES copies (id),
    member_id INTEGER NOT NULL REFERENCES members (id),
    lent_on DATE NOT NULL,
    due_on DATE NOT NULL,
    returned_on DATE,
    CONSTRAINT loans_due_after_lent CHECK (due_on >= lent_on)
);

-- A copy is in one pair of hands at a time.
CREATE UNIQUE INDEX loans_open ON loans (copy_id) WHERE returned_on IS NULL;

CREATE INDEX loans_member ON loans (member_id);
