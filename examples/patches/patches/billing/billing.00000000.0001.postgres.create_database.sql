-- lockgate: no-transaction

CREATE DATABASE billing OWNER billing_owner;
