"""From the source's files to the examples: reading, filtering, splitting, slicing (Apache Beam)."""
