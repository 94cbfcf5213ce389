stkit validate layers --strict
