"""Fovea recognises fine-grained things in images.

    >>> import fovea
    >>> with fovea.Client() as client:
    ...     client.teach_name("goldfinch")
    ...     print(client.recognize("bird.jpg").best)
"""
