"""How good the platform is, asked as an application asks it: docs/demo-quality.md."""
