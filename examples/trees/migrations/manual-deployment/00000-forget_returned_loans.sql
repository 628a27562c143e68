-- Run it when the members have agreed: nobody needs to know what was read.
DELETE FROM loans WHERE returned_on IS NOT NULL;
