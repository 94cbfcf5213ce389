echo old > page.html && stkit inspect tiny --html page.html --force && head -c 15 page.html
