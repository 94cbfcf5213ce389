stkit inspect -h
