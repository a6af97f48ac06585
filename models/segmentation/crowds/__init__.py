"""Where things stand that nobody told apart: what lies there is neither right nor wrong."""
