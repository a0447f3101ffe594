"""What the pipeline takes as the data grow: a generator of interactions, a measurement a component, the growth."""
