"""Why a model answers as it does: importance, Shapley values, saliency maps."""
