"""The control plane over HTTP: thin routers, security, and the one place that turns errors into answers."""
