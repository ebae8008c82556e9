"""From a bare Python to an environment in which the web UI starts. Standard library and ``schema/`` only."""
