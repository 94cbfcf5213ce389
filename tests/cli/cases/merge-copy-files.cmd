stkit merge tiny -o out --copy-files 'tok*' -q && ls out && stkit merge tiny -o none --copy-files none -q && ls none && stkit merge tiny -o odd --copy-files '*.py'
