"""Large files in object storage, and copies of them on this node."""
