stkit validate --explain st021; stkit validate --explain truncated --json
