"""From an accepted payment to the short messages that carry it to its provider."""
