stkit merge tiny -o out --dtype bfloat16
