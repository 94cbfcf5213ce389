stkit inspect
