printf "two.safetensors\n\nother.safetensors\n" | stkit inspect -
