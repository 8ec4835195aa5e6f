"""A cluster: one process lends rows out and writes their records, workers on any machine have them answered."""
