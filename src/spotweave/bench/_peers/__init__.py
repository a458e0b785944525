"""Methods of other packages, each run by a Python that has it: nothing here is imported by spotweave."""
