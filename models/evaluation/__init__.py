"""How well the shipped models recognise, measured without any service."""
