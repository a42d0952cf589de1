"""One module per noun; each exports `router`."""
