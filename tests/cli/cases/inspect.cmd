stkit inspect layers
