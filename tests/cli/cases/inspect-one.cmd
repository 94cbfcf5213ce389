stkit inspect one.safetensors; stkit inspect one.safetensors --tree; stkit inspect one.safetensors --tensor a; stkit inspect one.safetensors --diff two.safetensors; stkit -v validate one.safetensors
