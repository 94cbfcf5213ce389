stkit merge two.safetensors -o out.safetensors --metadata title=a=b --metadata author= && stkit inspect out.safetensors --metadata
