"""One short message: its addresses, its user data header, its coding, and joining the parts of a message."""
