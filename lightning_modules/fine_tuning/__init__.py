"""Fine-tuning of a backbone to a binary outcome, out of fold and held out."""
