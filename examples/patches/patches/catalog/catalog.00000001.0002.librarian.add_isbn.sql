ALTER TABLE book ADD COLUMN isbn text;
