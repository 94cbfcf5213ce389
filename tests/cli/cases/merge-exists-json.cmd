touch out.safetensors && stkit merge two.safetensors -o out.safetensors --json
