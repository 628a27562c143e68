-- What is so before {{id}}, and no longer after it: the first column of each statement must be true in
-- every row, and there must be a row.
SELECT 'what is so before {{id}}' = 'not written yet';
