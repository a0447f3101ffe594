"""Components of a pipeline whose data come in spans: which are read, and whether they have drifted."""
