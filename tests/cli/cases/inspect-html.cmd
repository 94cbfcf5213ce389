stkit inspect tiny --html page.html && head -c 15 page.html && stkit inspect tiny --html page.html
