"""SQL of the vault: numbered migrations and named statements."""
