stkit merge run -o out --all-checkpoints --continue-on-error 2>errors | sed -E 's/[0-9.]+ m?s /T /' | tr -s ' '; cat errors; ls out; stkit validate out/run_step_500 --against run/checkpoint-500
