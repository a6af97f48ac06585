"""How candidates come into an order: gates, plan, what a model is asked, and what becomes of its answer."""
