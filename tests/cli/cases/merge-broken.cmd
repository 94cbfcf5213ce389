stkit merge short.safetensors -o out; echo $?; test ! -e out
