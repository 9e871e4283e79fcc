"""One module for each part of the program that reads what strangers, or operators, give it."""
