"""Rules: each looks at the facts of a run and answers one item, or several that ask the same."""
