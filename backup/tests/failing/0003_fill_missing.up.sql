INSERT INTO missing (id) VALUES (1);
