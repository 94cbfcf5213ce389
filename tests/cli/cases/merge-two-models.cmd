stkit merge two.safetensors other.safetensors -o out
