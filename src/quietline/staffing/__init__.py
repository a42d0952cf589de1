"""Staffing: how many people a day needs, by formula (`quietline plan`) and by simulation (`quietline simulate`)."""
