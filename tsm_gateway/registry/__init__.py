"""Devices, service providers and their keys: records, state tables and the rules for their names."""
