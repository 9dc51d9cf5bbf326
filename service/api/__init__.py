"""The control plane over HTTP: thin routers, security, and the web page."""
