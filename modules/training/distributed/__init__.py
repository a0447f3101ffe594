"""One training over several devices, processes and machines."""
