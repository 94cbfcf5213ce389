mkfifo out.safetensors fifo && stkit merge two.safetensors -o out.safetensors --force; echo $?; stkit merge two.safetensors -o fifo; echo $?
