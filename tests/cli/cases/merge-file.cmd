stkit merge tiny -o new/one.safetensors && ls -A new && stkit validate new/one.safetensors --against tiny
