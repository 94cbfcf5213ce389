mkdir in && cp two.safetensors other.safetensors in && stkit merge in/two.safetensors -o out -v 2>&1 | sed 's/ in [0-9].*/ in .../'
