-- What is true after {{id}}, and not before it.
SELECT 'what is true after {{id}}' = 'not written yet';
