stkit merge run -o out --skip-existing
