stkit
