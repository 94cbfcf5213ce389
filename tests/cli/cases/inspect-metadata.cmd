stkit inspect layers --metadata
