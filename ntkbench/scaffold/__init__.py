"""What `ntkbench plugin new` writes: a plugin's package, from the template beside this file."""
