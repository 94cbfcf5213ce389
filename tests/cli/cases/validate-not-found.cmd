stkit validate nowhere
