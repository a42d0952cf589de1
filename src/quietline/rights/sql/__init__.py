"""SQL of the rights desk: a numbered migration and named statements."""
