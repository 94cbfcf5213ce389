echo text > README.md; stkit inspect README.md; stkit inspect ./README.md; stkit inspect "$PWD/README.md" 2>&1 | sed "s|$PWD|/pwd|"; cd layers && stkit validate .
