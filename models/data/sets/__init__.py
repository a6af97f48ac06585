"""One module a data set: which packages it is from, and how they become rows."""
