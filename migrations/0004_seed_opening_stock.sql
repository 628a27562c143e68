-- lockgate: irreversible "the desk has lent and corrected these rows ever since the opening"

INSERT INTO members (id, name, email) VALUES
    (1, 'Ada', 'ada@example.org'),
    (2, 'Grace', 'grace@example.org'),
    (3, 'Linus', 'linus@example.org');

INSERT INTO books (id, title, author, published) VALUES
    (1, 'Frankenstein', 'Mary Shelley', 1818),
    (2, 'Moby-Dick', 'Herman Melville', 1851),
    (3, 'Middlemarch', 'George Eliot', 1871),
    (4, 'Three Men in a Boat', 'Jerome K. Jerome', 1889);

INSERT INTO copies (id, book_id, shelf) VALUES
    (1, 1, 'A1'),
    (2, 1, 'A1'),
    (3, 2, 'A2'),
    (4, 3, 'B1'),
    (5, 4, 'B2');
