-- Reverts {{id}}.

