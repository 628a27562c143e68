-- What is so after {{id}}, and not yet before it.
SELECT 'what is so after {{id}}' = 'not written yet';
