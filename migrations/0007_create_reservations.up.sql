CREATE TABLE reservations (
    book_id INTEGER NOT NULL REFERENCES books (id) ON DELETE CASCADE,
    member_id INTEGER NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    reserved_on DATE NOT NULL DEFAULT CURRENT_DATE,
    PRIMARY KEY (book_id, member_id)
);

CREATE INDEX reservations_member ON reservations (member_id);
