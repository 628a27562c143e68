SELECT count(*) = 1 FROM lockgate_history WHERE version = 11;
