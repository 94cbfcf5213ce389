stkit merge two.safetensors -o out --metadata title; echo $?; stkit merge two.safetensors -o out --rename =x; echo $?
