stkit inspect nowhere --json
