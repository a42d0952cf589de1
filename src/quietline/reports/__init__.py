"""Reports: what a day was like, by stated definitions. Pure, apart from reading the history and drawing plots."""
