"""The search for hyper-parameters: what is searched, by which algorithm, and the trainings that decide."""
