"""Who may look: identity, policy, grants, assurance."""
