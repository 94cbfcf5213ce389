stkit help inspect
