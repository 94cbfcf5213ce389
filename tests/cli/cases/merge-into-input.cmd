stkit merge tiny -o tiny --force; echo $?; stkit merge tiny -o tiny/sub; echo $?; stkit merge tiny -o tiny/model-00001-of-00003.safetensors --force; echo $?; stkit validate tiny
