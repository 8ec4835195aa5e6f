"""Tools that run: commands of the user, and servers; the loop in which the model calls them."""
