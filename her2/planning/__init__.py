"""Before a study: how many patients it needs."""
