"""The command line of dead letters."""
