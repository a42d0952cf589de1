"""The controller's process: the floor (the matcher, live), the journal, the desk's socket."""
