stkit merge run -o out --all-checkpoints; echo $?; test ! -e out
