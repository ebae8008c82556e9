"""Draws, captions, trains and exports the starter checkpoint; nothing in the program imports it."""
