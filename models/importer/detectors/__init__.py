"""Detectors and maskers that users have: GroundingDINO, OWLv2, SAM and SAM 2 from their checkpoints."""
