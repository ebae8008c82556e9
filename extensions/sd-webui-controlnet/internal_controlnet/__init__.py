"""ControlNet: units, preprocessors, routes and panel. The engine does the drawing; ``modules.a1111.control_units`` is the door to it."""
