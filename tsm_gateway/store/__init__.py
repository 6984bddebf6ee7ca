"""Durable state: schema, statements, the group-committed spool, the registry and the epoch mark."""
