"""What Alembic runs: every missing revision, in the transaction it is given."""

from alembic import context

from open_agent.store.schema import VERSION_TABLE
from open_agent.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    version_table=VERSION_TABLE,
)
context.run_migrations()
