"""Photos to shards to batches. Knows neither model/ nor service/."""
