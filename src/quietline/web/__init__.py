"""The desk: the agent's page, its API and its event stream. Holds no key and nothing that lasts."""
