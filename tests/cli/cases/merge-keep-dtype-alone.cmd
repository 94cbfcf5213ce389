stkit merge two.safetensors -o out --keep-dtype a
