\echo a
SELECT 1;