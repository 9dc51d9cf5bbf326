"""What a dataset is, and how it is written."""
