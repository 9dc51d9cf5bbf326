"""Published models answering over HTTP, in a process of their own."""
