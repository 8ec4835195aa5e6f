"""The door: flags in, one function call, exit code out. Only this floor knows typer."""
