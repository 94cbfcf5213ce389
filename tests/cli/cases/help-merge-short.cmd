stkit merge -h
