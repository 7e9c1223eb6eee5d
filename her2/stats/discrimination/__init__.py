"""How well a score ranks patients: AUC, ROC, DeLong, thresholds, net benefit, resampling."""
