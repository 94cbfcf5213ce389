stkit validate -h
