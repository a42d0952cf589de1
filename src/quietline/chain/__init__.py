"""The business in one file: stores, queues, hours, flows, people; read, checked, compared, applied."""
