"""Output of runs: tables in many formats, figures and HTML pages. `escape` makes text safe for each format."""
