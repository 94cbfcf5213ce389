stkit inspect --stat tiny
