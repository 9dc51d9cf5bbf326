"""A published model as one file that runs without Tandem, compared with the model before it is kept."""
