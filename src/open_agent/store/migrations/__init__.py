"""The schema's history. Alembic is imported only when there is something to migrate."""
