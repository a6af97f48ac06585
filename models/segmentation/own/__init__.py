"""Teaches the detector what somebody's own pictures show."""
