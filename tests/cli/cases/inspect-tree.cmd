stkit inspect layers --tree
