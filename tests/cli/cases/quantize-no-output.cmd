stkit quantize tiny
