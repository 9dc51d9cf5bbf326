"""The paper's small-scale claims, tried on small photos."""
