stkit inspect --max-header 3Q tiny
