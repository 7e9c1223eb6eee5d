"""Whether predicted probabilities are true: line, curve, tests, proper scores."""
