stkit validate --explain ST21
