"""What count shows: the tokens of a request or a text, and its price."""
