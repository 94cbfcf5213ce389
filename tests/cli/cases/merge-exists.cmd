mkdir in && cp two.safetensors other.safetensors in && stkit merge in/two.safetensors -o out && stkit merge in/two.safetensors -o out
