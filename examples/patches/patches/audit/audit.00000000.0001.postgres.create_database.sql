-- lockgate: no-transaction

CREATE DATABASE audit OWNER auditor;
