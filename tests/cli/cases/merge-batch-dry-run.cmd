stkit merge run -o out --all-checkpoints --dry-run; echo $?; test ! -e out
