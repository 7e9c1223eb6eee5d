"""What is fitted: splits, nested cross-validation, classifiers, fusion, negative controls."""
