mkdir in && cp two.safetensors other.safetensors in && stkit merge in/two.safetensors -o out -v 2>&1 | sed '/^info/s/ in .*/ in .../'
