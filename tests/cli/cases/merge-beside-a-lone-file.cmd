stkit merge two.safetensors -o out && ls out; stkit merge two.safetensors -o .; echo $?; stkit merge . -o out; echo $?
