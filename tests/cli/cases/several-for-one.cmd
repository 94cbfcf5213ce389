stkit inspect tiny layers --html x.html
