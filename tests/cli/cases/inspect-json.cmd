stkit inspect tiny --json
