"""Published grading systems, one file each: the tables of the papers, cell by cell."""
