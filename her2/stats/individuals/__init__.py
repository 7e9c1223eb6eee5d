"""What is said of one patient: how far a risk moves, and sets of outcomes."""
