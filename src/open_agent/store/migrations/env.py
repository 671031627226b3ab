"""What Alembic runs: every missing revision, in the transaction it is given."""

from alembic import context

from open_agent.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
