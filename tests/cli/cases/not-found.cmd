stkit inspect nowhere
