"""The command line `hand-pose`: one module a verb, heavy imports only once a verb runs."""
