"""Call flows as files: read and checked, drawn, tried. The walk itself is `routing/flow_run.py`."""
