mkdir in && cp two.safetensors other.safetensors in && stkit merge in/other.safetensors -o out -q && stkit merge in/two.safetensors -o out --force && stkit validate out --against two.safetensors
