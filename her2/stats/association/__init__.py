"""Variables and the outcome: Table 1, odds ratios, logistic regression, nomogram, imputation."""
