"""What the HTTP applications, the API and the serving process, have in common."""
