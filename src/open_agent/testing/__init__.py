"""What we ship to test with: a log in memory, a PostgreSQL of one's own, the crash harness."""
