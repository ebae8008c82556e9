"""All settings, a file per area of the settings page."""
