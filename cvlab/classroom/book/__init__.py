"""How the book is made: pages, their form and their rules, from notebooks to HTML."""
