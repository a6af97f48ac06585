"""Words of the whole platform: vocabulary, errors, limits. Pure: no I/O, no framework."""
