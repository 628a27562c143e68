-- lockgate: irreversible "say why here"
-- {{id}}

