DROP TABLE copies;

DROP TABLE books;
