CREATE TABLE loans (id BIGINT PRIMARY KEY, book BIGINT NOT NULL REFERENCES books (id));
CREATE INDEX loans_book ON loans (book);
