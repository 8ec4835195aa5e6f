"""An answer that comes: what a network read brings, how long a server may be silent, and what is shown of it."""
