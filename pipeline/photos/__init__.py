"""Where photos come from, and what one becomes."""
