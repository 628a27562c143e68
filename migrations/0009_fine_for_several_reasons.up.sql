-- lockgate: foreign-keys off

-- A loan can be late and damaged: the reason becomes part of the key. SQLite cannot change a key
-- in place, so both tables are built anew; what pays for a fine moves with it, since PostgreSQL
-- drops no table that a foreign key points to.
ALTER TABLE fines RENAME TO old_fines;

ALTER TABLE payments RENAME TO old_payments;

DROP INDEX payments_loan;

-- The keys are named, as the old tables still hold the names that PostgreSQL would choose.
CREATE TABLE fines (
    loan_id INTEGER NOT NULL REFERENCES loans (id),
    reason TEXT NOT NULL DEFAULT 'late',
    cents INTEGER NOT NULL,
    charged_on DATE NOT NULL DEFAULT CURRENT_DATE,
    CONSTRAINT fines_key PRIMARY KEY (loan_id, reason),
    CONSTRAINT fines_reason CHECK (reason IN ('late', 'damaged', 'lost'))
);

INSERT INTO fines (loan_id, cents, charged_on)
SELECT loan_id, cents, charged_on FROM old_fines;

CREATE TABLE payments (
    receipt TEXT NOT NULL,
    loan_id INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT 'late',
    cents INTEGER NOT NULL,
    paid_on DATE NOT NULL DEFAULT CURRENT_DATE,
    CONSTRAINT payments_key PRIMARY KEY (receipt),
    CONSTRAINT payments_fine FOREIGN KEY (loan_id, reason) REFERENCES fines (loan_id, reason)
);

INSERT INTO payments (receipt, loan_id, cents, paid_on)
SELECT receipt, loan_id, cents, paid_on FROM old_payments;

CREATE INDEX payments_loan ON payments (loan_id, reason);

DROP TABLE old_payments;

DROP TABLE old_fines;
