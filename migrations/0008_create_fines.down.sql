DROP TABLE payments;

DROP TABLE fines;
