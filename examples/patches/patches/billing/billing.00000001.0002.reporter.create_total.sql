CREATE VIEW total AS SELECT customer, sum(cents) AS cents FROM invoice GROUP BY customer;
