"""Keys: derived, wrapped under a master key, held ready by kid, and the master key's file."""
