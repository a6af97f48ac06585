"""The demonstration: teach a few hundred classes, recognise other artists' pictures of them, report."""
