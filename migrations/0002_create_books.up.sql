-- A book is what one reads, a copy is what one carries home.
CREATE TABLE books (
    id INTEGER NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    author TEXT NOT NULL,
    published INTEGER
);

CREATE INDEX books_author ON books (author);

CREATE TABLE copies (
    id INTEGER NOT NULL PRIMARY KEY,
    book_id INTEGER NOT NULL REFERENCES books (id),
    shelf TEXT NOT NULL
);

CREATE INDEX copies_book ON copies (book_id);
