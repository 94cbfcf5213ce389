stkit --color always inspect names.safetensors --tree
