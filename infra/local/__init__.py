"""Real servers without containers, for tests and development: `python -m infra.local up`.

Each server has a module with one class that follows `server.Server`; `stack` lists them.
"""
