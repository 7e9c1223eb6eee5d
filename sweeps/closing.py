"""The end of a search."""


def close_search(work, *, is_finished):
    pass
