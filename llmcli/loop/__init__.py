"""The loop: where a coroutine runs, what may end it, and how long it may take."""
