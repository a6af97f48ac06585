"""How much ordering the candidates gains over retrieval alone, and what it costs."""
