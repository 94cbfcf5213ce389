stkit inspect names.safetensors --tensors; stkit inspect names.safetensors --metadata; stkit inspect names.safetensors --tree
