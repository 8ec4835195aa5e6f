"""Layers: transports around a transport, each with one concern; exchange/stack.py has their order."""
