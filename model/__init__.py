"""The network and how it learns. Does not know service/."""
