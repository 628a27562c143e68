CREATE VIEW open_loans AS
SELECT id, member_id, book_id FROM loans WHERE returned_on IS NULL;
