"""The global encoder: one vector a crop, trained on drawings and tied to names."""
