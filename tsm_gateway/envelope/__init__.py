"""The sealed packet: its octets, its keys in use, what is inside, and what was seen before."""
