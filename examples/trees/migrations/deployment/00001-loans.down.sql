DROP VIEW open_loans;
DROP INDEX loans_by_member;
DROP TABLE loans;
