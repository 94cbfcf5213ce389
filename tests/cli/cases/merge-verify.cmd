stkit merge tiny -o out --verify
