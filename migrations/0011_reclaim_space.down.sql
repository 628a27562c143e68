-- There is nothing to give back: the planner counts once more, and that is all.
ANALYZE;
