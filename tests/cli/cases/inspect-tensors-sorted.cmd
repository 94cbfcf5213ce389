stkit inspect layers --tensors="*weight" --sort size
