"""Alembic's entry: run the migrations on the connection that `migrate_store` hands over.

To write the next one: copy the shape of `versions/0001_initial.py`, change `schema*.py` alike (a test
holds the two against each other), and raise `HEAD` in `migrate_store.py`.
"""

from alembic import context

from tsm_gateway.store.schema_base import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # a migration that fails leaves nothing behind
)
with context.begin_transaction():
    context.run_migrations()
