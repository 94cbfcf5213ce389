stkit merge run -o out --all-checkpoints --name-template '{run}'; echo $?; stkit merge run -o out --all-checkpoints --name-template '{date}'; echo $?; stkit merge run -o run --all-checkpoints
