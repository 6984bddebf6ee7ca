"""What makes one process of the parts: settings, logs, metrics, health, systemd and the wiring."""
