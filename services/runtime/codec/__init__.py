"""Kernel messages to kernel values and back, one module a group of messages.

`read_*` checks what it reads and raises InvalidInput with the path of the field; `write_*` never fails.
"""
