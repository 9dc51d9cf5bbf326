"""The whole stack on one machine: Ray head, API and serving as supervised processes."""
