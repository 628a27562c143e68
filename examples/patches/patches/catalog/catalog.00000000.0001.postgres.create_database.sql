-- lockgate: no-transaction

CREATE DATABASE catalog OWNER librarian;
