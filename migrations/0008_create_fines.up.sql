CREATE TABLE fines (
    loan_id INTEGER NOT NULL PRIMARY KEY REFERENCES loans (id),
    cents INTEGER NOT NULL,
    charged_on DATE NOT NULL DEFAULT CURRENT_DATE
);

CREATE TABLE payments (
    receipt TEXT NOT NULL PRIMARY KEY,
    loan_id INTEGER NOT NULL REFERENCES fines (loan_id),
    cents INTEGER NOT NULL,
    paid_on DATE NOT NULL DEFAULT CURRENT_DATE
);

CREATE INDEX payments_loan ON payments (loan_id);
