"""How a dataset is read: shards to batches to the pixels a network sees."""
