CREATE TABLE members (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    joined_on DATE NOT NULL DEFAULT CURRENT_DATE
);

CREATE UNIQUE INDEX members_email ON members (email);
