stkit merge two.safetensors -o /dev/full; echo $?; stkit merge two.safetensors -o /dev/null --force; echo $?
