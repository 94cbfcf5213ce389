stkit inspect tiny --values 3
