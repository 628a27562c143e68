-- lockgate: foreign-keys off

ALTER TABLE fines RENAME TO old_fines;

ALTER TABLE payments RENAME TO old_payments;

DROP INDEX payments_loan;

CREATE TABLE fines (
    loan_id INTEGER NOT NULL PRIMARY KEY REFERENCES loans (id),
    cents INTEGER NOT NULL,
    charged_on DATE NOT NULL DEFAULT CURRENT_DATE
);

-- Several fines of one loan become one again; the sum stays what it was.
INSERT INTO fines (loan_id, cents, charged_on)
SELECT loan_id, SUM(cents), MIN(charged_on) FROM old_fines GROUP BY loan_id;

CREATE TABLE payments (
    receipt TEXT NOT NULL PRIMARY KEY,
    loan_id INTEGER NOT NULL REFERENCES fines (loan_id),
    cents INTEGER NOT NULL,
    paid_on DATE NOT NULL DEFAULT CURRENT_DATE
);

INSERT INTO payments (receipt, loan_id, cents, paid_on)
SELECT receipt, loan_id, cents, paid_on FROM old_payments;

CREATE INDEX payments_loan ON payments (loan_id);

DROP TABLE old_payments;

DROP TABLE old_fines;
