"""Execute the cells of a plan, in this process, in worker processes or on a cluster."""
