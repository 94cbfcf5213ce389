stkit -v inspect two.safetensors
