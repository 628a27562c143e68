-- What is true before {{id}}, and not after it: the first column of each statement must be true in
-- every row, and there must be a row.
SELECT 'what is true before {{id}}' = 'not written yet';
