stkit completion bsh
