"""HER2 status of breast cancer from ultrasound: a leak-free deep-learning radiomics study."""

__version__ = "0.1.0"
