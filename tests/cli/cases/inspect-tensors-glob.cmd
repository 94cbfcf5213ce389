stkit inspect layers --tensors="*.1?.mlp*" --sort name
