CREATE VIEW open_loans AS
SELECT loans.id, copies.barcode, books.title, members.name AS member, loans.lent_on, loans.due_on
FROM loans
JOIN copies ON copies.id = loans.copy_id
JOIN books ON books.id = copies.book_id
JOIN members ON members.id = loans.member_id
WHERE loans.returned_on IS NULL;
