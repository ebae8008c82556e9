"""The HTTP side: A1111's API, what the page asks for between clicks, and the gate in front of every route."""
