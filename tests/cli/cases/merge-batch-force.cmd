stkit merge run -o out --all-checkpoints --skip-existing --force
