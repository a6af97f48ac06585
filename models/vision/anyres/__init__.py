"""Any-resolution fusion and region sampler as torch modules, which are trained and become graphs."""
