stkit merge two.safetensors -o out
