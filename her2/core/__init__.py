"""What everything stands on: types, errors, settings, files, random streams, progress."""
