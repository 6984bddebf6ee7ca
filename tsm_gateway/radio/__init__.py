"""What the gateway says to the outside: short messages, carriers and modems."""
