"""The steps of a run, one a file, named for what comes out."""
