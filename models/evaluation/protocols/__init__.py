"""What is asked of the encoders: one module a task, from a data set to counted shares."""
