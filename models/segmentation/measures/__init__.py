"""How far what was found is from the truth, term by term."""
