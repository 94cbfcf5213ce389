stkit merge tiny -o out && ls -A out && stkit validate out --against tiny
