stkit inspct tiny
