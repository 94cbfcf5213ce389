stkit inspect tiny --tree
