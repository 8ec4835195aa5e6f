"""The ledger: what is final, in files and on stdout."""
