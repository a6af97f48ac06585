"""What the gateway knows without asking anybody: records, options, collections, names of things. Pure."""
