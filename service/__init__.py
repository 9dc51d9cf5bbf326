"""Everything that joins pipeline/ and model/: jobs, control plane, serving, command line."""
