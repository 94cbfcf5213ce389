stkit inspect tiny
