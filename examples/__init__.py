"""Programs around exported models: servers that answer TF Serving's clients, and a client."""
