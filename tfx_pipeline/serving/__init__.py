"""What a deployment of the pushed models needs; docs/deployment.md explains it."""
