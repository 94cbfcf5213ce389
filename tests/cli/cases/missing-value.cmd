stkit inspect tiny --sort
