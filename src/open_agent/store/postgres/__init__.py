"""The store on PostgreSQL, which any number of processes may share."""
