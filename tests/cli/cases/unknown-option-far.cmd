stkit inspect --frobnicate tiny
