stkit --json inspect --stat tiny
