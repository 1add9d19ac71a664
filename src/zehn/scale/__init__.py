"""Beyond one machine: bulk encoding, and clusters of engines."""
