"""The nouns, free of FastAPI, SQL, Ray and torch."""
