"""HTTP: a socket, its connections, and what each request on one of them comes to."""
