stkit merge tiny -o out --dry-run | sed '/^  disk/s/ [0-9].* free/ N free/' && test ! -e out
