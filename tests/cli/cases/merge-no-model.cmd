stkit merge -o out
