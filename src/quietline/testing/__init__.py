"""The simulated far side, shipped: the demo, drills and tests all use it."""
