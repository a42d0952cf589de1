"""Files that people write: YAML with the line of every value, mistakes in words, references made from models."""
