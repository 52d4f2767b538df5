"""Create a plugin package from the template in this folder, for `ntkbench plugin new`."""
