CREATE TABLE loans (
    id INTEGER PRIMARY KEY,
    member_id INTEGER NOT NULL REFERENCES members,
    book_id INTEGER NOT NULL REFERENCES books,
    returned_on TEXT
);

CREATE INDEX loans_by_member ON loans (member_id);
