"""The verbs: what can be done to runs, datasets and models."""
