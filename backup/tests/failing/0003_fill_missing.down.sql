DELETE FROM missing WHERE id = 1;
