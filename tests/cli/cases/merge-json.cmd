stkit merge tiny -o out --json | sed -E 's/"(seconds|shared_bytes)":[^,]*/"\1":0/g; s/"io":"[a-z]*"/"io":"any"/g'
