"""Ray's Jobs API, over HTTP."""
