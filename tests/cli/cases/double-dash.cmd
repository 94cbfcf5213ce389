stkit inspect -- -x
