stkit merge run -o out --all-checkpoints --continue-on-error --json 2>/dev/null | sed -E 's/"(seconds|shared_bytes)":[^,]*/"\1":0/g; s/"io":"[a-z]*"/"io":"any"/g'
