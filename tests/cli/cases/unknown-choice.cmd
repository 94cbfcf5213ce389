stkit inspect --sort sise tiny
