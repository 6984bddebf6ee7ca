"""Numbered changes of the schema, run by alembic when the store is opened."""
